-- The journal against itself and against the figures that accounts keep of it: I1 and I2.

-- {into_wallet}
-- Positive is into the wallet. Numeric: a sum of wrong rows may well leave 64 bits.
CASE WHEN t.credit = 'wallet' THEN t.amount WHEN t.debit = 'wallet' THEN -t.amount::numeric ELSE 0 END

-- I1 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('a transfer of kind %s goes from %s to %s, but this one from %s to %s', t.kind,
        coalesce(r.debit, 'nowhere'), coalesce(r.credit, 'nowhere'), t.debit, t.credit) AS problem
FROM {transfer} t LEFT JOIN (VALUES {routes}) r(kind, book, debit, credit) ON r.kind = t.kind
WHERE ROW(t.book, t.debit, t.credit) IS DISTINCT FROM ROW(r.book, r.debit, r.credit)

-- I1 grant
SELECT g.account_id, concat_ws('/', g.account_id, g.grant_id) AS key, g.seq AS place,
    format('granted is %s, but transfer %s is %s', g.granted, g.seq,
        CASE WHEN t.seq IS NULL THEN 'not there'
             ELSE format('a %s of %s credits to grant %s', t.kind, t.amount, coalesce(t.grant_id, 'none')) END) AS problem
FROM {grant} g LEFT JOIN {transfer} t ON t.account_id = g.account_id AND t.book = 'wallet' AND t.seq = g.seq
WHERE ROW(t.grant_id, t.amount, t.kind) IS DISTINCT FROM
    ROW(g.grant_id, g.granted, CASE WHEN g.origin_grant_id IS NULL THEN 'grant'
                                    WHEN g.grant_id LIKE 'refund:%' THEN 'refund'
                                    WHEN g.grant_id LIKE 'correction:%' THEN 'reduction' ELSE 'restore' END)

-- I1 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it issues %s credits as grant %s, but %s', t.amount, coalesce(t.grant_id, 'none'),
        CASE WHEN g.seq IS NULL THEN 'there is no such grant' ELSE format('that was issued by transfer %s', g.seq) END)
    AS problem
FROM {transfer} t LEFT JOIN {grant} g ON g.account_id = t.account_id AND g.grant_id = t.grant_id
WHERE t.book = 'wallet' AND t.kind = 'grant' AND t.seq IS DISTINCT FROM g.seq

-- I1 refund
SELECT account_id, concat_ws('/', account_id, refund_id) AS key, coalesce(r.first_seq, t.first_seq) AS place,
    CASE WHEN r.credits IS NULL
         THEN format('transfers %s to %s return %s credits for it, but there is no such refund',
                t.first_seq, t.last_seq, t.credits)
         ELSE format('it returns %s credits by transfers %s to %s, but its transfers are %s', r.credits, r.first_seq,
                r.last_seq, CASE WHEN t.credits IS NULL THEN 'not there'
                                 ELSE format('%s to %s, of %s credits', t.first_seq, t.last_seq, t.credits) END)
    END AS problem
FROM {refund} r
FULL JOIN (SELECT account_id, refund_id, sum(amount) AS credits, min(seq) AS first_seq, max(seq) AS last_seq,
                min(request_id) AS request_id
           FROM {transfer} x WHERE book = 'wallet' AND kind = 'refund' GROUP BY account_id, refund_id) t
    USING (account_id, refund_id)
WHERE ROW(r.credits, r.first_seq, r.last_seq, r.request_id)
    IS DISTINCT FROM ROW(t.credits, t.first_seq, t.last_seq, t.request_id)

-- I1 correction
SELECT account_id, concat_ws('/', account_id, correction_id) AS key, k.first_seq AS place,
    format('it changes the bill of %s by %s credits with transfers %s to %s, but its transfers are %s', k.request_id, k.credits,
        k.first_seq, k.last_seq, CASE WHEN t.credits IS NULL THEN 'not there'
            ELSE format('%s %ss, of %s credits', t.transfers, t.kind, t.credits) END) AS problem
FROM {correction} k
LEFT JOIN (SELECT x.account_id, x.correction_id, sum(t.amount) AS credits, count(*) AS transfers,
                string_agg(DISTINCT t.kind, ' and ') AS kind, min(t.posted_at) AS posted_at
           FROM {correction} x JOIN {transfer} t ON t.account_id = x.account_id AND t.request_id = x.request_id
           WHERE t.book = 'wallet' AND t.kind IN ('supplement', 'reduction') AND t.seq BETWEEN x.first_seq AND x.last_seq
           GROUP BY x.account_id, x.correction_id) t
    USING (account_id, correction_id)
WHERE ROW(abs(k.credits::numeric), k.last_seq::numeric - k.first_seq + 1, k.created_at,
        CASE WHEN k.credits < 0 THEN 'reduction' ELSE 'supplement' END)
    IS DISTINCT FROM ROW(t.credits, t.transfers::numeric, t.posted_at, t.kind)

-- I1 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it corrects charge %s, but belongs to no correction', coalesce(t.request_id, 'without a name')) AS problem
FROM {transfer} t
WHERE t.kind IN ('supplement', 'reduction') AND NOT EXISTS (
    SELECT FROM {correction} k
    WHERE k.account_id = t.account_id AND k.request_id = t.request_id AND t.seq BETWEEN k.first_seq AND k.last_seq)

-- I1 account
-- As flows out of the wallet: `issued` is their only source, so it is shown with its sign turned.
SELECT account_id, account_id AS key, 0 AS place,
    format('%s is %s by its transfers, but %s by its %s', name,
        CASE name WHEN 'issued' THEN -sum(journal) ELSE sum(journal) END,
        CASE name WHEN 'issued' THEN -sum(others) ELSE sum(others) END,
        CASE name WHEN 'consumed' THEN 'charges, refunds and corrections' ELSE 'grants' END) AS problem
FROM (
    SELECT account_id, debit AS name, -sum(amount) AS journal, 0 AS others
    FROM {transfer} t WHERE book = 'wallet' AND debit <> 'wallet' GROUP BY account_id, debit
    UNION ALL SELECT account_id, credit, sum(amount), 0
    FROM {transfer} t WHERE book = 'wallet' AND credit <> 'wallet' GROUP BY account_id, credit
    UNION ALL SELECT account_id, 'issued', 0, -sum(granted) FROM {grant} g WHERE origin_grant_id IS NULL GROUP BY account_id
    UNION ALL SELECT account_id, 'expired', 0, sum(expired) FROM {grant} g GROUP BY account_id
    UNION ALL SELECT account_id, 'revoked', 0, sum(clawed) FROM {grant} g GROUP BY account_id
    UNION ALL SELECT account_id, 'consumed', 0, sum(settled_credits) FROM {charge} c GROUP BY account_id
    UNION ALL SELECT account_id, 'consumed', 0, -sum(credits) FROM {refund} r GROUP BY account_id
    UNION ALL SELECT account_id, 'consumed', 0, sum(credits) FROM {correction} k GROUP BY account_id
) sums GROUP BY account_id, name HAVING sum(journal) <> sum(others)

-- I2 transfer
SELECT account_id, concat_ws('/', account_id, book, before + 1) AS key, before AS place,
    format('there is no such transfer: after %s comes %s', before, seq) AS problem
FROM (SELECT account_id, book, seq, coalesce(lag(seq) OVER (PARTITION BY account_id, book ORDER BY seq), 0) AS before
      FROM {transfer} t) numbered
WHERE seq <> before + 1

-- I2 transfer
SELECT account_id, concat_ws('/', account_id, 'wallet', seq) AS key, seq AS place,
    format('balance_after is %s, but %s before it and %s by it make %s', balance_after, before, change,
        before + change) AS problem
FROM (SELECT account_id, seq, balance_after, {into_wallet} AS change,
            coalesce(lag(balance_after) OVER (PARTITION BY account_id ORDER BY seq), 0) AS before
      FROM {transfer} t WHERE book = 'wallet') running
WHERE balance_after <> before + change

-- I2 account
SELECT coalesce(a.account_id, t.account_id) AS account_id, coalesce(a.account_id, t.account_id) AS key, 0 AS place,
    CASE WHEN a.posted IS NULL THEN format('there is no such account, but it has %s transfers', t.transfers)
         WHEN a.posted <> coalesce(t.posted, 0)
         THEN format('posted is %s, but its transfers sum to %s', a.posted, coalesce(t.posted, 0))
         WHEN a.wallet_seq <> coalesce(t.wallet_seq, 0)
         THEN format('wallet_seq is %s, but its last wallet transfer is %s', a.wallet_seq, coalesce(t.wallet_seq, 0))
         WHEN a.money_seq <> coalesce(t.money_seq, 0)
         THEN format('money_seq is %s, but its last money transfer is %s', a.money_seq, coalesce(t.money_seq, 0))
         WHEN a.asset <> l.asset THEN format('asset is %s, but its last wallet transfer is of %s', a.asset, l.asset)
         ELSE format('posted is %s, but its last transfer leaves %s', a.posted, l.balance_after) END AS problem
FROM {account} a
FULL JOIN (SELECT account_id, count(*) AS transfers, sum({into_wallet}) FILTER (WHERE book = 'wallet') AS posted,
                max(seq) FILTER (WHERE book = 'wallet') AS wallet_seq, max(seq) FILTER (WHERE book = 'money') AS money_seq
           FROM {transfer} t GROUP BY account_id) t USING (account_id)
LEFT JOIN {transfer} l ON l.account_id = t.account_id AND l.book = 'wallet' AND l.seq = t.wallet_seq
WHERE ROW(a.posted, a.posted, a.wallet_seq, a.money_seq, a.asset) IS DISTINCT FROM ROW(coalesce(t.posted, 0),
        coalesce(l.balance_after, 0), coalesce(t.wallet_seq, 0), coalesce(t.money_seq, 0), coalesce(l.asset, a.asset))
