"""VirtualService and Gateway of networking.istio.io, compiled into route tables as istiod does."""
