-- Revenue that was recognised, grant by grant: transfers, what is kept of them, and the rule that made them: I12.

-- {recognised_whole}
-- Nothing has happened to the account since nothing was missing.
a.recognised_at >= a.last_at AND a.recognised_seq = a.wallet_seq

-- I12 account
SELECT account_id, account_id AS key, 0 AS place,
    format('its wallet is recognised up to %s of %s transfers, at %s, but it last changed at %s', recognised_seq,
        wallet_seq, coalesce(recognised_at::text, 'no time'), last_at) AS problem
FROM {account} a WHERE recognised_seq NOT BETWEEN 0 AND wallet_seq OR recognised_at > last_at

-- I12 recognition
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(t.seq, 0) AS place,
    format('%s micros %s of usage and %s of breakage are recognised, but transfers make %s and %s %s',
        coalesce(r.usage_micros, 0), coalesce(r.currency, 'of no grant'), coalesce(r.breakage_micros, 0),
        coalesce(t.usage, 0), coalesce(t.breakage, 0), coalesce(t.asset, 'none')) AS problem
FROM (SELECT account_id, grant_id, r.usage_micros, r.breakage_micros, g.currency
      FROM {recognition} r LEFT JOIN {grant} g USING (account_id, grant_id)
      WHERE r.usage_micros <> 0 OR r.breakage_micros <> 0) r
FULL JOIN (SELECT account_id, grant_id, min(asset) AS asset, min(seq) AS seq,
                sum(CASE kind WHEN 'recognise_usage' THEN amount WHEN 'reverse_usage' THEN -amount ELSE 0 END) AS usage,
                sum(CASE kind WHEN 'recognise_breakage' THEN amount WHEN 'reverse_breakage' THEN -amount ELSE 0 END) AS breakage
           FROM {transfer} x
           WHERE book = 'money'
               AND kind IN ('recognise_usage', 'reverse_usage', 'recognise_breakage', 'reverse_breakage')
           GROUP BY account_id, grant_id) t USING (account_id, grant_id)
WHERE ROW(coalesce(r.usage_micros, 0), coalesce(r.breakage_micros, 0))
        <> ROW(coalesce(t.usage, 0), coalesce(t.breakage, 0))
    OR ((t.usage <> 0 OR t.breakage <> 0) AND r.currency IS DISTINCT FROM t.asset)

-- I12 recognition
-- The rule of `billing.core.cost_basis`, by where the grant's credits were then. Successors count from the transfer that
-- made them.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(g.seq, 0) AS place,
    format('of %s micros for %s credits, %s of them used, %s expired, %s moved and %s revoked, %s of usage and %s of '
        'breakage are recognised, but it should be %s and %s', g.paid_micros, g.granted, r.used, r.expired, r.moved,
        r.revoked, r.usage_micros, r.breakage_micros, m.usage, m.breakage) AS problem
FROM {recognition} r
LEFT JOIN {account} a USING (account_id)
LEFT JOIN {grant} g USING (account_id, grant_id)
LEFT JOIN (SELECT s.account_id, s.origin_grant_id AS grant_id, sum(s.paid_micros) AS micros
           FROM {grant} s JOIN {account} o ON o.account_id = s.account_id
           WHERE s.origin_grant_id IS NOT NULL AND s.seq <= o.recognised_seq GROUP BY 1, 2) s USING (account_id, grant_id)
CROSS JOIN LATERAL (
    SELECT div(g.paid_micros::numeric * (r.used + r.moved), nullif(g.granted, 0)) AS used,
        div(g.paid_micros::numeric * (r.used + r.moved + r.expired), nullif(g.granted, 0)) AS gone,
        div(g.paid_micros::numeric * r.revoked + g.granted - 1, nullif(g.granted, 0)) - r.returned_micros AS kept) b
CROSS JOIN LATERAL (SELECT b.used - coalesce(s.micros, 0) AS usage, b.gone - b.used + b.kept AS breakage) m
WHERE (r.used + r.moved >= 0 OR {recognised_whole})
    AND ROW(r.usage_micros, r.breakage_micros) IS DISTINCT FROM ROW(m.usage, m.breakage)

-- I12 grant
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, g.seq AS place,
    format('%s used, %s expired, %s moved and %s revoked are recognised, with %s micros returned, but they are '
        '%s, %s, %s and %s, with %s', coalesce(r.used, 0), coalesce(r.expired, 0), coalesce(r.moved, 0),
        coalesce(r.revoked, 0), coalesce(r.returned_micros, 0), g.used, g.expired, g.moved, g.revoked,
        coalesce(u.returned_deferred_micros, 0)) AS problem
FROM {grant} g
JOIN {account} a USING (account_id)
LEFT JOIN {recognition} r USING (account_id, grant_id)
LEFT JOIN (SELECT account_id, CASE via WHEN 'recharge' THEN '' ELSE 'pack:' END || topup_id || ':1' AS grant_id,
               returned_deferred_micros FROM {topup} x) u USING (account_id, grant_id)
WHERE g.paid_micros > 0
    AND (({recognised_whole} AND ROW(coalesce(r.used, 0), coalesce(r.expired, 0), coalesce(r.moved, 0), coalesce(r.revoked, 0),
                coalesce(r.returned_micros, 0))
            <> ROW(g.used, g.expired, g.moved, g.revoked, coalesce(u.returned_deferred_micros, 0)))
        OR r.expired > g.expired OR r.moved > g.moved)
