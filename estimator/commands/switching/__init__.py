"""The commands of the move to the new routes: before it, in which order, and on the day.

coverage     `estimate coverage`: would the new routes serve what production gets?
order        `estimate order`: which paths move first
switch_plan  `estimate switch-plan`: the steps of the day, with the replicas that each one needs
requests_options  what production received: from logs, a capture, a series or a sidecar
site_options  where each phase sends requests, what divides them, and the shares of the steps
plan_options  when a switch happens, and the snippets of its paths
output_options  text to read, or JSON
ended_legs  how copies ended, from the series
routes_options  which gateway of new routes is meant, and what requests have that nobody recorded
"""
