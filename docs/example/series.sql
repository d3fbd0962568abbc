-- 7 days of made-up traffic, one row a second, in the format of docs/formats.md ("Local series").
-- A day's wave on three routes; on the first at 20:00 a premiere doubles /watch within five minutes for an hour.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE seconds (second INTEGER PRIMARY KEY);
CREATE TABLE counts (
    second INTEGER NOT NULL, metric TEXT NOT NULL, route TEXT NOT NULL, label TEXT NOT NULL,
    value INTEGER NOT NULL, PRIMARY KEY (second, metric, route, label)
) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', 'kagami-series'), ('version', '1');

WITH RECURSIVE seconds_of_week(s) AS (SELECT 0 UNION ALL SELECT s + 1 FROM seconds_of_week WHERE s < 604799)
INSERT INTO seconds SELECT 1767225600 + s FROM seconds_of_week;

-- wave: 25 to 100 over the day, highest at 15:00. burst: 100, in the premiere up to 200.
-- jitter: -50 to 50, the same in every run.
WITH wave AS (
    SELECT second, second - 1767225600 AS s,
           25 + 300 * ((second + 75600) % 86400) * (86400 - (second + 75600) % 86400) / (86400 * 86400) AS wave,
           (second * 7919 + second / 7 * 104729) % 101 - 50 AS jitter
    FROM seconds
), burst AS (
    SELECT *, CASE WHEN s BETWEEN 72000 AND 75599 THEN 100 + min(100, (s - 72000) / 3) ELSE 100 END AS burst
    FROM wave
)
INSERT INTO counts
SELECT second, 'requests', '/watch/_id_', 'safe', 520 * wave * burst / 10000 * (400 + jitter) / 400 FROM burst
UNION ALL
SELECT second, 'requests', '/api/_', 'safe', 700 * wave / 100 * (400 - jitter) / 400 FROM burst
UNION ALL
SELECT second, 'requests', 'other', 'safe', 30 * wave / 100 FROM burst;
