-- Usage against what was billed, refunded and corrected: I11.
--
-- The buckets are compared line by line with the lines that they count, and the days that were summed up with the buckets;
-- whatever a zone makes of them is then a sum of lines that are right.

-- I11 usage_bucket
SELECT account_id, concat_ws('/', account_id, to_char(quarter_hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model, operation,
        size_tier, quality, api_key_id) AS key,
    extract(epoch FROM quarter_hour)::bigint AS place,
    CASE WHEN b.requests IS NULL THEN 'nothing are counted'
         ELSE format('%s requests, %s images, %s failed images and %s credits are counted', b.requests, b.images, b.failed_images,
                b.credits) END || ', but ' ||
    CASE WHEN s.requests IS NULL THEN 'nothing were billed and refunded'
         ELSE format('%s requests, %s images, %s failed images and %s credits were billed and refunded', s.requests, s.images,
                s.failed_images, s.credits) END AS problem
FROM {usage_bucket} b
FULL JOIN (SELECT account_id, date_bin('15 minutes', at, 'epoch'::timestamptz) AS quarter_hour, model, operation,
                coalesce(size_tier, '') AS size_tier, quality, coalesce(api_key_id, '') AS api_key_id, sum(requests) AS requests,
                sum(images) AS images, sum(failed_images) AS failed_images, sum(credits) AS credits
           FROM {billed} line GROUP BY 1, 2, 3, 4, 5, 6, 7) s
    USING (account_id, quarter_hour, model, operation, size_tier, quality, api_key_id)
WHERE ROW(b.requests, b.images, b.failed_images, b.credits) IS DISTINCT FROM ROW(s.requests, s.images, s.failed_images, s.credits)

-- I11 usage_day
SELECT account_id, concat_ws('/', account_id, to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model, operation,
        size_tier, quality, api_key_id) AS key,
    extract(epoch FROM day)::bigint AS place,
    format('up to and with quarter-hour %s, ', coalesce(quarter::text, 'of no number')) ||
    CASE WHEN d.requests IS NULL THEN 'nothing are summed up'
         ELSE format('%s requests, %s images, %s failed images and %s credits are summed up', d.requests, d.images, d.failed_images,
                d.credits) END || ', but ' ||
    CASE WHEN s.requests IS NULL THEN 'nothing were counted'
         ELSE format('%s requests, %s images, %s failed images and %s credits were counted', s.requests, s.images, s.failed_images,
                s.credits) END AS problem
FROM (SELECT x.account_id, x.day, x.model, x.operation, x.size_tier, x.quality, x.api_key_id, u.*
      FROM {usage_day} x
      CROSS JOIN LATERAL unnest(x.quarters, x.requests, x.images, x.failed_images, x.credits)
          u(quarter, requests, images, failed_images, credits)) d
FULL JOIN (SELECT b.account_id, date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz) AS day, b.model, b.operation,
                b.size_tier, b.quality, b.api_key_id,
                (extract(epoch FROM b.quarter_hour - date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz)) / 900)::smallint AS quarter,
                (sum(b.requests) OVER running)::bigint AS requests, (sum(b.images) OVER running)::bigint AS images,
                (sum(b.failed_images) OVER running)::bigint AS failed_images, (sum(b.credits) OVER running)::bigint AS credits
           FROM {usage_bucket} b JOIN {account} a ON a.account_id = b.account_id
           WHERE b.quarter_hour < date_bin('1 day', a.last_at, 'epoch'::timestamptz)
           WINDOW running AS (
               PARTITION BY b.account_id, date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz), b.model, b.operation,
                   b.size_tier, b.quality, b.api_key_id
               ORDER BY b.quarter_hour)) s
    USING (account_id, day, model, operation, size_tier, quality, api_key_id, quarter)
WHERE ROW(d.requests, d.images, d.failed_images, d.credits) IS DISTINCT FROM ROW(s.requests, s.images, s.failed_images, s.credits)

-- I11 usage_day
-- Numbers are looked up by halving, so they have to rise.
SELECT account_id, concat_ws('/', account_id, to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model, operation,
        size_tier, quality, api_key_id) AS key,
    extract(epoch FROM day)::bigint AS place, format('its quarter-hours are %s: not in order', quarters) AS problem
FROM {usage_day} d
WHERE quarters IS DISTINCT FROM (SELECT array_agg(q ORDER BY q) FROM unnest(d.quarters) q)
