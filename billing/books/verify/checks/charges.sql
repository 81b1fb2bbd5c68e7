-- Charges against their outputs, refunds, corrections and transfers: I5 and I9; and what ties the journal to them: I10.

-- I5 charge
SELECT account_id, concat_ws('/', account_id, request_id) AS key, 0 AS place,
    format('it is %s with a bill of %s, transfers %s to %s and its end at %s', status, settled_credits,
        coalesce(first_seq::text, 'none'), coalesce(last_seq::text, 'none'), coalesce(resolved_at::text, 'no time')) AS problem
FROM {charge} c
WHERE CASE WHEN status = 'settled' THEN num_nulls(first_seq, last_seq, resolved_at) > 0
           ELSE num_nonnulls(first_seq, last_seq) > 0 OR settled_credits <> 0 OR (resolved_at IS NULL) <> (status = 'authorized')
      END

-- I5 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it settles charge %s, but that is %s', t.request_id,
        CASE WHEN c.status = 'settled' THEN format('settled by transfers %s to %s', c.first_seq, c.last_seq) ELSE c.status END)
    AS problem
FROM {transfer} t JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
WHERE t.book = 'wallet' AND t.kind = 'settle'
    AND (c.status <> 'settled' OR t.seq < c.first_seq OR t.seq > c.last_seq)

-- I5 refund
SELECT account_id, concat_ws('/', account_id, refund_id) AS key, coalesce(r.first_seq, 0) AS place,
    CASE WHEN r.credits IS NULL THEN format('there is no such refund, but %s credits of outputs are returned by it', p.credits)
         ELSE format('it returns %s credits, but of its outputs %s', r.credits, coalesce(p.credits, 0)) END AS problem
FROM {refund} r
FULL JOIN (SELECT account_id, refund_id, sum(credits) AS credits FROM {refund_output} x GROUP BY account_id, refund_id) p
    USING (account_id, refund_id)
WHERE r.credits IS DISTINCT FROM p.credits

-- I5 charge
SELECT account_id, concat_ws('/', account_id, request_id) AS key, 0 AS place,
    CASE WHEN c.status IS NULL THEN format('there is no such charge, but refunds of it return %s credits', r.credits)
         ELSE format('it is %s with a bill of %s, corrected by %s, refunded is %s, its refunds return %s and its outputs %s', c.status,
                c.settled_credits, c.corrected_credits, c.refunded_credits, coalesce(r.credits, 0), coalesce(o.credits, 0)) END AS problem
FROM {charge} c
FULL JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {refund} x GROUP BY account_id, request_id) r
    USING (account_id, request_id)
LEFT JOIN (SELECT account_id, request_id, sum(refunded_credits) AS credits FROM {output} x WHERE refunded_credits <> 0
           GROUP BY account_id, request_id) o USING (account_id, request_id)
WHERE c.refunded_credits > c.settled_credits::numeric + c.corrected_credits OR
    ROW(c.refunded_credits, c.refunded_credits) IS DISTINCT FROM ROW(coalesce(r.credits, 0), coalesce(o.credits, 0))

-- I5 output
SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
    format('it costs %s credits and %s were refunded, but refunds return %s of it',
        coalesce((o.credits::numeric + o.corrected_credits)::text, 'no'),
        coalesce(o.refunded_credits, 0), coalesce(r.credits, 0)) AS problem
FROM {output} o
FULL JOIN (SELECT x.account_id, x.request_id, p.index, sum(p.credits) AS credits
           FROM {refund} x JOIN {refund_output} p ON p.account_id = x.account_id AND p.refund_id = x.refund_id
           GROUP BY 1, 2, 3) r
    USING (account_id, request_id, index)
WHERE coalesce(o.refunded_credits, 0) <> coalesce(r.credits, 0) OR o.refunded_credits > o.credits::numeric + o.corrected_credits

-- I5 refund
-- In which tier an output stood when it was refunded: as its last correction before made it, else as it was settled.
SELECT r.account_id, concat_ws('/', r.account_id, r.refund_id) AS key, r.first_seq AS place,
    format('it returns %s credits of output %s in tier %s, but that stood in tier %s', p.credits, p.index,
        coalesce(p.size_tier, 'none'), coalesce(s.size_tier, 'none')) AS problem
FROM {refund} r
JOIN {refund_output} p ON p.account_id = r.account_id AND p.refund_id = r.refund_id
JOIN (SELECT *, lead(first_seq) OVER (PARTITION BY account_id, request_id, index ORDER BY first_seq) AS next_seq
      FROM (SELECT k.account_id, k.request_id, c.index, c.size_tier, k.first_seq
            FROM {correction} k JOIN {correction_output} c ON c.account_id = k.account_id AND c.correction_id = k.correction_id
            UNION ALL SELECT account_id, request_id, index, size_tier, 0 FROM {output} o) stood) s
    ON s.account_id = r.account_id AND s.request_id = r.request_id AND s.index = p.index AND s.first_seq < r.first_seq
        AND (s.next_seq IS NULL OR s.next_seq > r.first_seq)
WHERE p.size_tier IS DISTINCT FROM s.size_tier

-- I9 output
SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
    format('it failed, but costs %s credits', credits) AS problem
FROM {output} o WHERE status <> 'succeeded' AND credits <> 0

-- I9 output
SELECT o.account_id, concat_ws('/', o.account_id, o.request_id, o.index) AS key, o.index AS place,
    CASE WHEN c.status IS NULL THEN 'it has no charge' ELSE format('its charge is %s, not settled', c.status) END AS problem
FROM {output} o LEFT JOIN {charge} c ON c.account_id = o.account_id AND c.request_id = o.request_id
WHERE c.status IS DISTINCT FROM 'settled'

-- I9 charge
SELECT account_id, concat_ws('/', account_id, request_id) AS key, c.first_seq AS place,
    format('its bill is %s by transfers %s to %s, but its outputs cost %s and its %s transfers sum to %s', c.settled_credits,
        c.first_seq, c.last_seq, coalesce(o.credits, 0), coalesce(t.transfers, 0), coalesce(t.credits, 0)) AS problem
FROM {charge} c
LEFT JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {output} x GROUP BY account_id, request_id) o
    USING (account_id, request_id)
LEFT JOIN (SELECT account_id, request_id, sum(amount) AS credits, count(*) AS transfers, min(seq) AS first_seq,
                max(seq) AS last_seq
           FROM {transfer} x WHERE book = 'wallet' AND kind = 'settle' GROUP BY account_id, request_id) t
    USING (account_id, request_id)
WHERE c.status = 'settled' AND ROW(c.settled_credits, c.settled_credits, c.last_seq::numeric - c.first_seq + 1, c.first_seq, c.last_seq)
    IS DISTINCT FROM ROW(coalesce(o.credits, 0), t.credits, t.transfers, t.first_seq, t.last_seq)

-- I9 correction
SELECT account_id, concat_ws('/', account_id, correction_id) AS key, coalesce(k.first_seq, 0) AS place,
    CASE WHEN k.credits IS NULL THEN 'there is no such correction, but reports and outputs of it'
         ELSE format('it changes the bill by %s credits, but its outputs by %s', k.credits, coalesce(p.credits, 0)) END AS problem
FROM {correction} k
FULL JOIN (SELECT account_id, correction_id, sum(credits_after - credits_before::numeric) AS credits
           FROM {correction_output} x GROUP BY account_id, correction_id) p USING (account_id, correction_id)
FULL JOIN (SELECT DISTINCT account_id, correction_id FROM {correction_report} x) a USING (account_id, correction_id)
WHERE k.credits IS DISTINCT FROM p.credits OR k.credits IS NULL

-- I9 charge
SELECT account_id, concat_ws('/', account_id, request_id) AS key, coalesce(c.first_seq, 0) AS place,
    CASE WHEN c.status IS NULL THEN format('there is no such charge, but corrections of it come to %s credits', k.credits)
         ELSE format('it is %s and corrected by %s credits, but its corrections come to %s and those of its outputs to %s',
                c.status, c.corrected_credits, coalesce(k.credits, 0), coalesce(o.credits, 0)) END AS problem
FROM {charge} c
FULL JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {correction} x GROUP BY account_id, request_id) k
    USING (account_id, request_id)
LEFT JOIN (SELECT account_id, request_id, sum(corrected_credits) AS credits FROM {output} x WHERE corrected_credits <> 0
           GROUP BY account_id, request_id) o USING (account_id, request_id)
WHERE ROW(c.corrected_credits, c.corrected_credits) IS DISTINCT FROM ROW(coalesce(k.credits, 0), coalesce(o.credits, 0))
    OR (k.credits IS NOT NULL AND c.status <> 'settled')

-- I9 output
SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
    format('it was corrected by %s credits, but corrections change it by %s', coalesce(o.corrected_credits::text, 'no'),
        coalesce(k.credits, 0)) AS problem
FROM {output} o
FULL JOIN (SELECT x.account_id, x.request_id, p.index, sum(p.credits_after - p.credits_before::numeric) AS credits
           FROM {correction} x
           JOIN {correction_output} p ON p.account_id = x.account_id AND p.correction_id = x.correction_id
           GROUP BY 1, 2, 3) k
    USING (account_id, request_id, index)
WHERE o.corrected_credits IS DISTINCT FROM coalesce(k.credits, 0)

-- I10 account
SELECT account_id, account_id AS key, 0 AS place,
    format('%s_head is %s, but the hash of transfer %s is %s', h.book, encode(h.head, 'hex'), h.seq,
        CASE WHEN h.seq = 0 THEN encode(decode(repeat('00', 32), 'hex'), 'hex') ELSE coalesce(encode(t.hash, 'hex'), 'not there') END)
    AS problem
FROM (SELECT account_id, 'wallet' AS book, wallet_seq AS seq, wallet_head AS head FROM {account} a
      UNION ALL SELECT account_id, 'money', money_seq, money_head FROM {account} a) h
LEFT JOIN {transfer} t USING (account_id, book, seq)
WHERE h.head IS DISTINCT FROM CASE WHEN h.seq = 0 THEN decode(repeat('00', 32), 'hex') ELSE t.hash END

-- I10 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it settles charge %s, which is not there', coalesce(t.request_id, 'without a name')) AS problem
FROM {transfer} t LEFT JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
WHERE t.kind = 'settle' AND c.request_id IS NULL

-- I10 transfer
-- `settlements` recomputes the digest that a charge's first transfer carries.
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('its digest is %s, but transfer %s of the same settlement says %s', coalesce(encode(t.digest, 'hex'), 'missing'),
        f.seq, coalesce(encode(f.digest, 'hex'), 'missing')) AS problem
FROM {transfer} t
JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
JOIN {transfer} f ON f.account_id = c.account_id AND f.book = 'wallet' AND f.seq = c.first_seq
WHERE t.book = 'wallet' AND t.kind = 'settle' AND t.digest IS DISTINCT FROM f.digest
