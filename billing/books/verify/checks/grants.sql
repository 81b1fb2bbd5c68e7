-- Grants and debts, recomputed from the journal, fills, refunds and corrections: I6.

-- I6 grant
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, seq AS place,
    format('granted is %s, but %s remaining, %s used, %s expired, %s revoked and %s moved make %s%s; clawed is %s', granted,
        remaining, used, expired, revoked, moved, remaining::numeric + used + expired + revoked + moved,
        CASE WHEN open THEN ', open' ELSE ', closed' END, clawed) AS problem
FROM {grant} g
WHERE remaining::numeric + used + expired + revoked + moved <> granted
    OR least(remaining, used, expired, revoked, moved) < 0 OR open <> (remaining > 0) OR clawed NOT BETWEEN revoked AND granted

-- I6 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it names grant %s, which is not there', t.grant_id) AS problem
FROM {transfer} t LEFT JOIN {grant} g ON g.account_id = t.account_id AND g.grant_id = t.grant_id
WHERE t.grant_id IS NOT NULL AND g.grant_id IS NULL

-- I6 fill
SELECT f.account_id, concat_ws('/', f.account_id, f.seq, f.paid_by_seq) AS key, f.seq AS place,
    format('it pays %s credits of debt %s with grant %s, but there is no such %s', f.credits, f.seq, f.grant_id,
        CASE WHEN d.seq IS NULL THEN 'debt' ELSE 'grant' END) AS problem
FROM {fill} f
LEFT JOIN {debt} d ON d.account_id = f.account_id AND d.seq = f.seq
LEFT JOIN {grant} g ON g.account_id = f.account_id AND g.grant_id = f.grant_id
WHERE d.seq IS NULL OR g.grant_id IS NULL

-- I6 fill
-- The transfer that brought a grant stands for it as long as it lives: what is owed later is paid by it too, when a
-- clawback takes what was used or a dispute ends. What a restoration brings back pays no more than that; a refund or reduction
-- into debts pays exactly what it returned.
SELECT f.account_id, concat_ws('/', f.account_id, f.seq, f.paid_by_seq) AS key, f.seq AS place,
    format('transfer %s pays %s credits of debts by grant %s in all, but it is %s', f.paid_by_seq, f.paid, f.grant_id,
        CASE WHEN t.seq IS NULL THEN 'not there'
             ELSE format('a %s of %s credits to %s', t.kind, t.amount, coalesce('grant ' || t.grant_id, 'no grant')) END)
    AS problem
FROM (SELECT *, sum(credits) OVER (PARTITION BY account_id, paid_by_seq) AS paid FROM {fill} x) f
LEFT JOIN {transfer} t ON t.account_id = f.account_id AND t.book = 'wallet' AND t.seq = f.paid_by_seq
LEFT JOIN {grant} g ON g.account_id = f.account_id AND g.grant_id = f.grant_id
WHERE CASE WHEN t.seq = g.seq THEN t.grant_id IS DISTINCT FROM f.grant_id OR f.credits > t.amount
           WHEN t.kind = 'restore' THEN t.grant_id IS DISTINCT FROM f.grant_id OR f.paid > t.amount
           WHEN t.kind IN ('refund', 'reduction') THEN t.grant_id IS NOT NULL OR f.paid <> t.amount
           ELSE true END

-- I6 debt
SELECT account_id, concat_ws('/', account_id, seq) AS key, seq AS place,
    CASE WHEN d.credits IS NULL
         THEN format('transfer %s draws %s credits from no grant for %s, but there is no such debt', seq, t.amount,
                coalesce(t.request_id, 'a clawback'))
         WHEN t.amount IS NULL
         THEN format('it is %s credits for %s, but no transfer %s drew them', d.credits,
                coalesce(d.request_id, 'a clawback'), seq)
         ELSE format('it is %s credits for %s, but its transfer drew %s for %s', d.credits,
                coalesce(d.request_id, 'a clawback'), t.amount, coalesce(t.request_id, 'a clawback')) END AS problem
FROM {debt} d
FULL JOIN (SELECT * FROM {transfer} x
           WHERE book = 'wallet' AND kind IN ('settle', 'supplement', 'revoke') AND grant_id IS NULL AND amount > 0) t
    USING (account_id, seq)
WHERE ROW(d.credits, d.request_id) IS DISTINCT FROM ROW(t.amount, t.request_id)

-- I6 grant
-- What became of each grant. Its credits are used by settlements, supplements and the debts it fills. A refund or reduction
-- undoes a use: the credits go back to it, or move to a successor, or (nowhere) fill another debt: then they are used again.
-- A grant with an origin was born by one of these or, where a card refund failed, by a `restore`; else that undoes a `revoke`.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, g.seq AS place,
    format('%s remaining, %s used, %s expired, %s revoked and %s moved, but by transfers, fills and refunds '
        '%s, %s, %s, %s and %s', g.remaining, g.used, g.expired, g.revoked, g.moved,
        m.remaining, m.used, m.expired, m.revoked, m.moved) AS problem
FROM {grant} g
LEFT JOIN (SELECT account_id, grant_id,
                sum(amount) FILTER (WHERE kind IN ('settle', 'supplement')) AS settled, sum(amount) FILTER (WHERE kind = 'expire') AS expired,
                sum(amount) FILTER (WHERE kind = 'revoke') AS revoked,
                sum(amount) FILTER (WHERE kind IN ('refund', 'reduction')) AS refunded,
                sum(amount) FILTER (WHERE kind = 'restore') AS restored
           FROM {transfer} x WHERE book = 'wallet' AND grant_id IS NOT NULL GROUP BY account_id, grant_id) t
    USING (account_id, grant_id)
LEFT JOIN (SELECT account_id, grant_id, sum(credits) AS credits FROM {fill} x GROUP BY account_id, grant_id) f
    USING (account_id, grant_id)
LEFT JOIN (SELECT account_id, drawn_from AS grant_id, sum(credits) AS credits,
                sum(credits) FILTER (WHERE returned_to IS NULL) AS to_debts,
                sum(credits) FILTER (WHERE returned_to <> drawn_from) AS moved
           FROM {returned} x WHERE drawn_from IS NOT NULL GROUP BY 1, 2) r
    USING (account_id, grant_id)
CROSS JOIN LATERAL (
    SELECT coalesce(t.settled, 0) + coalesce(f.credits, 0) - coalesce(r.credits, 0) AS used,
        coalesce(t.expired, 0) AS expired, coalesce(r.moved, 0) AS moved,
        coalesce(t.revoked, 0) - coalesce(t.restored, 0)
            + CASE WHEN g.origin_grant_id IS NULL OR g.grant_id LIKE 'refund:%' OR g.grant_id LIKE 'correction:%'
                THEN 0 ELSE g.granted END AS revoked,
        g.granted - coalesce(t.settled, 0) - coalesce(f.credits, 0) + coalesce(r.to_debts, 0) - coalesce(t.expired, 0)
            - coalesce(t.revoked, 0) + coalesce(t.refunded, 0) + coalesce(t.restored, 0)
            - CASE WHEN g.origin_grant_id IS NULL THEN 0 ELSE g.granted END AS remaining) m
WHERE ROW(g.remaining, g.used, g.expired, g.revoked, g.moved)
    IS DISTINCT FROM ROW(m.remaining, m.used, m.expired, m.revoked, m.moved)

-- I6 debt
-- A bill may have several debts, one by its settlement and others by supplements: what was forgiven of them is known together.
SELECT account_id, concat_ws('/', account_id, seq) AS key, seq AS place,
    format('of %s credits %s are outstanding, but grants filled %s and refunds forgave %s', d.credits, d.outstanding,
        d.filled, coalesce(r.credits, 0)) AS problem
FROM (
    SELECT *, sum(d.credits::numeric - d.outstanding - d.filled) OVER (
        PARTITION BY account_id, request_id, CASE WHEN request_id IS NULL THEN seq END) AS forgiven
    FROM (SELECT x.*, coalesce(f.credits, 0) AS filled
          FROM {debt} x
          LEFT JOIN (SELECT account_id, seq, sum(credits) AS credits FROM {fill} x GROUP BY account_id, seq) f
              USING (account_id, seq)) d) d
LEFT JOIN (SELECT account_id, request_id, sum(credits) AS credits
           FROM {returned} x WHERE drawn_from IS NULL GROUP BY 1, 2) r
    USING (account_id, request_id)
WHERE d.forgiven <> coalesce(r.credits, 0) OR d.outstanding > d.credits - d.filled

-- I6 account
SELECT account_id, account_id AS key, 0 AS place,
    CASE WHEN a.posted IS NULL THEN 'there is no such account, but it has grants'
         ELSE format('posted is %s, debt %s and frozen %s, but grants have %s remaining, %s of it frozen, and debts %s '
                'outstanding', a.posted, a.debt, a.frozen, coalesce(g.remaining, 0), coalesce(g.frozen, 0),
                coalesce(d.outstanding, 0)) END AS problem
FROM {account} a
FULL JOIN (SELECT account_id, sum(remaining) AS remaining, sum(remaining) FILTER (WHERE x.frozen) AS frozen
           FROM {grant} x GROUP BY account_id) g USING (account_id)
LEFT JOIN (SELECT account_id, sum(outstanding) AS outstanding FROM {debt} x GROUP BY account_id) d USING (account_id)
WHERE ROW(a.posted, a.debt, a.frozen) IS DISTINCT FROM ROW(
    coalesce(g.remaining, 0) - coalesce(d.outstanding, 0), coalesce(d.outstanding, 0), coalesce(g.frozen, 0))

-- I6 grant
SELECT account_id, concat_ws('/', account_id, g.grant_id) AS key, g.seq AS place,
    format('%s credits remain, but the account owes %s', g.remaining, a.debt) AS problem
FROM {grant} g JOIN {account} a USING (account_id)
WHERE a.debt > 0 AND g.remaining > 0 AND NOT g.frozen
    AND (g.expires_at IS NULL OR g.expires_at > greatest({now}, a.last_at))

-- I6 account
-- Whoever gathers an account looks for lapsed grants only once `due_at` has come.
SELECT account_id, account_id AS key, 0 AS place,
    format('due_at is %s, but its next grant expires at %s', coalesce(a.due_at::text, 'never'), g.expires_at) AS problem
FROM {account} a
JOIN (SELECT account_id, min(expires_at) AS expires_at FROM {grant} x WHERE open AND NOT frozen GROUP BY account_id) g
    USING (account_id)
WHERE g.expires_at IS NOT NULL AND (a.due_at IS NULL OR a.due_at > g.expires_at)

-- I6 returned
-- Each transfer of a refund or a reduction returned credits that a bill had drawn, and went where its row says.
SELECT account_id, concat_ws('/', account_id, seq) AS key, seq AS place,
    CASE WHEN r.credits IS NULL
         THEN format('transfer wallet/%s is a %s of %s credits, but nothing says whose they were', seq, t.kind, t.amount)
         ELSE format('it returns %s credits of charge %s from %s to %s, but transfer wallet/%s %s', r.credits, r.request_id,
                coalesce('grant ' || r.drawn_from, 'debt'), coalesce('grant ' || r.returned_to, 'debts'), seq,
                CASE WHEN t.amount IS NULL THEN 'is no refund or reduction'
                     ELSE format('is a %s of %s credits of charge %s to %s', t.kind, t.amount, t.request_id,
                            coalesce('grant ' || t.grant_id, 'debts')) END) END AS problem
FROM {returned} r
FULL JOIN (SELECT * FROM {transfer} x WHERE book = 'wallet' AND kind IN ('refund', 'reduction')) t USING (account_id, seq)
WHERE ROW(r.credits, r.request_id, r.returned_to) IS DISTINCT FROM ROW(t.amount, t.request_id, t.grant_id)
