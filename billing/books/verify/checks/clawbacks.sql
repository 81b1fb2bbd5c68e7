-- Clawbacks: what card refunds and lost disputes say that they took of each grant, against grants and transfers: I1, I6.

-- I1 clawback
SELECT x.account_id, concat_ws('/', x.account_id, x.external_id, x.grant_id) AS key, 0 AS place,
    format('it took %s credits of grant %s, but the dispute is %s, and was never lost', x.revoked::numeric + x.owed, x.grant_id,
        d.status) AS problem
FROM {clawback} x JOIN {dispute} d ON d.account_id = x.account_id AND d.dispute_id = x.external_id
WHERE d.status <> 'lost' AND d.undone = 0

-- I6 grant
-- A card refund that failed, and a dispute that is lost no more, give back to the grant what was unspent, and in its place a
-- new one for what was used: as much as other returns do not claim.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(g.seq, 0) AS place,
    CASE WHEN g.granted IS NULL THEN format('there is no such grant, but clawbacks took %s credits of it', c.clawed)
         ELSE format('clawed is %s, but card refunds and disputes took %s and gave back %s', g.clawed,
                coalesce(c.clawed, 0), coalesce(r.credits, 0)) END AS problem
FROM {grant} g
FULL JOIN (SELECT account_id, grant_id, sum(revoked::numeric + owed) AS clawed
           FROM {clawback} x GROUP BY account_id, grant_id) c USING (account_id, grant_id)
LEFT JOIN (SELECT t.account_id, CASE t.seq WHEN n.seq THEN n.origin_grant_id ELSE t.grant_id END AS grant_id,
                sum(t.amount) AS credits
           FROM {transfer} t LEFT JOIN {grant} n ON n.account_id = t.account_id AND n.grant_id = t.grant_id
           WHERE t.book = 'wallet' AND t.kind = 'restore' GROUP BY 1, 2) r USING (account_id, grant_id)
WHERE ROW(g.clawed, g.clawed) IS DISTINCT FROM ROW(coalesce(c.clawed, 0) - coalesce(r.credits, 0), g.clawed)

-- I1 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it is a %s of grant %s for %s, but %s', t.kind, coalesce(t.grant_id, 'none'), coalesce(t.external_id, 'nothing'),
        CASE WHEN r.card_refund_id IS NULL AND d.dispute_id IS NULL THEN 'there is no such card refund or dispute'
             ELSE format('that is %s, and of top-up %s', coalesce(r.status, d.status), coalesce(r.topup_id, d.topup_id)) END)
    AS problem
FROM {transfer} t
LEFT JOIN {card_refund} r ON r.account_id = t.account_id AND r.card_refund_id = t.external_id
LEFT JOIN {dispute} d ON d.account_id = t.account_id AND d.dispute_id = t.external_id
LEFT JOIN {topup} u ON u.account_id = t.account_id AND u.topup_id = coalesce(r.topup_id, d.topup_id)
WHERE t.book = 'wallet' AND t.kind IN ('revoke', 'restore')
    AND (t.kind = 'restore' AND (r.status = 'failed' OR d.undone > 0) IS NOT TRUE
         OR num_nulls(r.card_refund_id, d.dispute_id) = 2
         OR t.grant_id IS NOT NULL AND starts_with(t.grant_id, {grants_of}) IS NOT TRUE)

-- I1 card_refund, dispute
-- What was revoked for each clawback, as it says and as its transfers do, in words that can be compared.
SELECT x.account_id, concat_ws('/', x.account_id, x.{this_id}) AS key, coalesce(t.seq, 0) AS place,
    format('it revokes %s, but its transfers %s', coalesce(s.words, 'nothing'), coalesce(t.words, 'nothing')) AS problem
FROM {this} x
LEFT JOIN (SELECT account_id, {this_id}, string_agg(format('%s %s', credits, whose), ', ' ORDER BY whose) AS words
           FROM (SELECT x.account_id, x.external_id AS {this_id}, m.whose, sum(m.credits) AS credits
                 FROM {clawback} x
                 CROSS JOIN LATERAL (VALUES ('of ' || x.grant_id, x.revoked), ('that were used', x.owed)) m(whose, credits)
                 WHERE m.credits <> 0 GROUP BY 1, 2, 3) moves
           GROUP BY account_id, {this_id}) s USING (account_id, {this_id})
LEFT JOIN (SELECT account_id, external_id, string_agg(format('%s %s', credits, whose), ', ' ORDER BY whose) AS words,
                min(seq) AS seq
           FROM (SELECT account_id, external_id, coalesce('of ' || grant_id, 'that were used') AS whose,
                     sum(amount) AS credits, min(seq) AS seq
                 FROM {transfer} t WHERE book = 'wallet' AND kind = 'revoke' GROUP BY 1, 2, 3) moves
           GROUP BY account_id, external_id) t ON t.account_id = x.account_id AND t.external_id = x.{this_id}
WHERE s.words IS DISTINCT FROM t.words

-- I1 clawback
SELECT x.account_id, concat_ws('/', x.account_id, x.external_id, x.grant_id) AS key, 0 AS place,
    format('it took %s credits of grant %s, but there is no such card refund or dispute', x.revoked::numeric + x.owed, x.grant_id)
    AS problem
FROM {clawback} x
LEFT JOIN {card_refund} r ON r.account_id = x.account_id AND r.card_refund_id = x.external_id
LEFT JOIN {dispute} d ON d.account_id = x.account_id AND d.dispute_id = x.external_id
WHERE num_nulls(r.card_refund_id, d.dispute_id) = 2
