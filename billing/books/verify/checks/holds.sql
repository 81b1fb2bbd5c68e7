-- Holds and the authorizations that opened them: I3 and I4.

-- I3 hold
-- A due hold whose expiry nobody has posted yet is still in all three: the account, the hold and the charge.
SELECT account_id, concat_ws('/', account_id, to_char(coalesce(h.expires_at, c.expires_at) AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), request_id) AS key, 0 AS place,
    CASE WHEN h.credits IS NULL
         THEN format('charge %s is authorized and holds %s credits, but has no such hold', request_id, c.held_credits)
         WHEN c.held_credits IS NULL
         THEN format('it holds %s credits, but there is no authorized charge %s', h.credits, request_id)
         ELSE format('it holds %s credits from %s to %s, but its charge %s credits from %s to %s', h.credits,
                h.authorized_at, h.expires_at, c.held_credits, c.authorized_at, c.expires_at) END AS problem
FROM {hold} h
FULL JOIN (SELECT * FROM {charge} x WHERE status = 'authorized') c USING (account_id, request_id)
WHERE ROW(h.credits, h.authorized_at, h.expires_at) IS DISTINCT FROM ROW(c.held_credits, c.authorized_at, c.expires_at)

-- I3 account
SELECT account_id, account_id AS key, 0 AS place,
    CASE WHEN a.held IS NULL THEN format('there is no such account, but its holds are %s credits', h.credits)
         ELSE format('held is %s, but its holds are %s and its authorized charges hold %s', a.held,
                coalesce(h.credits, 0), coalesce(c.credits, 0)) END AS problem
FROM {account} a
FULL JOIN (SELECT account_id, sum(credits) AS credits FROM {hold} x GROUP BY account_id) h USING (account_id)
LEFT JOIN (SELECT account_id, sum(held_credits) AS credits FROM {charge} x WHERE status = 'authorized'
           GROUP BY account_id) c USING (account_id)
WHERE ROW(a.held, a.held) IS DISTINCT FROM ROW(coalesce(h.credits, 0), coalesce(c.credits, 0))

-- I3 account
-- Whoever gathers an account looks for due holds only once `due_at` has come.
SELECT account_id, account_id AS key, 0 AS place,
    format('due_at is %s, but its next hold falls due at %s', coalesce(a.due_at::text, 'never'), h.expires_at) AS problem
FROM {account} a
JOIN (SELECT account_id, min(expires_at) AS expires_at FROM {hold} x GROUP BY account_id) h USING (account_id)
WHERE a.due_at IS NULL OR a.due_at > h.expires_at

-- I3 charge
SELECT account_id, concat_ws('/', account_id, c.request_id) AS key, 0 AS place,
    format('it expired at %s, but its hold lasts until %s', coalesce(c.resolved_at::text, 'no time'), c.expires_at) AS problem
FROM {charge} c JOIN {account} a USING (account_id)
WHERE c.status = 'expired'
    AND (c.resolved_at IS DISTINCT FROM c.expires_at OR c.expires_at > greatest({now}, a.last_at))

-- I4 charge
SELECT account_id, concat_ws('/', account_id, request_id) AS key, 0 AS place,
    format('quoted %s credits, held %s, when %s were available%s', quoted_credits, held_credits, available_credits,
        CASE WHEN one_step THEN ', in one step' ELSE '' END) AS problem
FROM {charge} c
WHERE greatest(held_credits, quoted_credits) > available_credits
    OR CASE WHEN one_step THEN held_credits <> 0 ELSE held_credits < quoted_credits END

-- I4 charge
SELECT c.account_id, concat_ws('/', c.account_id, c.request_id) AS key, c.authorized_seq AS place,
    format('authorized at %s after transfer %s, but that was posted at %s and the next at %s', c.authorized_at,
        c.authorized_seq, coalesce(t.posted_at::text, 'no time'), coalesce(n.posted_at::text, 'no time')) AS problem
FROM {charge} c
LEFT JOIN {transfer} t ON t.account_id = c.account_id AND t.book = 'wallet' AND t.seq = c.authorized_seq
LEFT JOIN {transfer} n ON n.account_id = c.account_id AND n.book = 'wallet' AND n.seq - 1 = c.authorized_seq
WHERE (c.authorized_seq <> 0 AND (t.posted_at IS NULL OR t.posted_at > c.authorized_at)) OR n.posted_at < c.authorized_at

-- I4 charge
-- Both ends of the time in which a limit was in force count: commands of one batch have the same instant.
SELECT c.account_id, concat_ws('/', c.account_id, c.request_id) AS key, 0 AS place,
    format('authorized at %s with a credit limit of %s, which was not in force then', c.authorized_at, c.credit_limit)
    AS problem
FROM {charge} c
WHERE NOT EXISTS (
    SELECT FROM (SELECT account_id, new, changed_at,
                    lead(changed_at) OVER (PARTITION BY account_id ORDER BY changed_at, position) AS changed_again_at
                 FROM {account_change} x WHERE setting = 'credit_limit') l
    WHERE l.account_id = c.account_id AND l.new = c.credit_limit::text AND l.changed_at <= c.authorized_at
        AND (l.changed_again_at IS NULL OR l.changed_again_at >= c.authorized_at))

-- I4 account
-- Nobody decides about the house: it has the settings that it was opened with, and no record of them.
SELECT a.account_id, a.account_id AS key, 0 AS place,
    format('%s is %s, but its last recorded change made it %s', s.setting, s.value, coalesce(l.new, 'nothing')) AS problem
FROM {account} a
CROSS JOIN LATERAL (VALUES ('status', a.status, 'active'), ('credit_limit', a.credit_limit::text, '0'),
    ('overage', a.overage, 'bill'), ('hold', a.hold, 'quote')) s(setting, value, house)
LEFT JOIN (SELECT DISTINCT ON (account_id, setting) account_id, setting, new
           FROM {account_change} x ORDER BY account_id, setting, changed_at DESC, position DESC) l
    ON l.account_id = a.account_id AND l.setting = s.setting
WHERE CASE a.account_id WHEN '_house' THEN s.house ELSE l.new END IS DISTINCT FROM s.value

-- I4 charge
-- What was held when a charge was authorized is not on record, so a lower bound of it is made from all charges: at one
-- instant holds end before others start. Commands of one batch have the same instant; those with the same last
-- transfer too are peers, of whom we do not know who came first, but that the last one had to be covered beside all
-- the others that stayed. A hold that ended at once burdens nobody else. A charge in one step holds nothing and moves the wallet: it came after its peers.
WITH asked AS (
    SELECT *, coalesce(released_at, expires_at) AS ended_at
    FROM {charge} c),
event AS (
    SELECT account_id, ended_at AS at, false AS starts, 0 AS seq, -held_credits AS change,
        NULL AS request_id, NULL::bigint AS needed, NULL::bigint AS available_credits, NULL::bigint AS credit_limit,
        NULL::boolean AS one_step
    FROM asked WHERE held_credits > 0 AND ended_at > authorized_at
    UNION ALL
    SELECT account_id, authorized_at, true, authorized_seq, CASE WHEN ended_at > authorized_at THEN held_credits ELSE 0 END,
        request_id, CASE WHEN one_step THEN quoted_credits ELSE held_credits END, available_credits, credit_limit, one_step
    FROM asked),
running AS (
    SELECT *, CASE WHEN one_step THEN needed WHEN change = needed THEN 0 END AS beside_peers,
        coalesce(sum(change) OVER (PARTITION BY account_id ORDER BY at, starts, seq
            GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS held_before,
        sum(change) OVER (PARTITION BY account_id ORDER BY at, starts, seq) AS held_with_peers,
        max(credit_limit) OVER (PARTITION BY account_id, at, starts, seq) AS highest_limit
    FROM event)
SELECT r.account_id, concat_ws('/', r.account_id, r.request_id) AS key, r.seq AS place,
    format('%s credits needed and %s available on record, but %s posted, at least %s held and a credit limit of %s left %s',
        r.needed, r.available_credits, coalesce(t.balance_after, 0), r.held_before, r.credit_limit,
        coalesce(t.balance_after, 0) - r.held_before + r.credit_limit)
    || CASE WHEN r.held_with_peers > r.held_before + r.change
            THEN format('; %s were taken at that instant', r.held_with_peers - r.held_before) ELSE '' END AS problem
FROM running r LEFT JOIN {transfer} t ON t.account_id = r.account_id AND t.book = 'wallet' AND t.seq = r.seq
WHERE r.starts AND (t.seq IS NOT NULL OR r.seq = 0) AND (
    greatest(r.available_credits, r.needed) > coalesce(t.balance_after, 0) - r.held_before + r.credit_limit
    OR r.held_with_peers + r.beside_peers > coalesce(t.balance_after, 0)::numeric + r.highest_limit)
