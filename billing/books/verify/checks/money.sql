-- Money that was paid for credits, and went back: grants, top-ups, card refunds and disputes: I12.
--
-- Whatever was paid, and neither recognised as revenue nor returned before it was, is deferred revenue.

-- {grants_of}
-- What the names of a top-up's grants begin with, before their number: `Topup.grant_id`.
CASE u.via WHEN 'recharge' THEN '' ELSE 'pack:' END || u.topup_id || ':'

-- {card_refund_moves}
('card_refund_deferred', x.deferred_micros, true),
('card_refund', x.amount_micros - x.deferred_micros, true),
('card_refund_deferred_failed', x.deferred_micros, x.status = 'failed'),
('card_refund_failed', x.amount_micros - x.deferred_micros, x.status = 'failed')

-- {dispute_moves}
-- A dispute goes to and fro: each kind comes to this with what was undone taken off. More may come back than went: a gain.
('dispute_opened', x.withdrawn_micros, true),
('dispute_won', x.reinstated_micros, true),
('dispute_lost_deferred', x.deferred_micros, true),
('dispute_lost', x.withdrawn_micros - x.reinstated_micros - x.deferred_micros,
    x.status = 'lost' OR x.reinstated_micros > x.withdrawn_micros)

-- {bought}
-- The grants that came with a top-up's money, and what of it went back.
SELECT u.account_id, {grants_of} || k AS grant_id, k, u.price_micros, u.returned_micros, u.returned_deferred_micros, f.undone
FROM {topup} u
LEFT JOIN (SELECT account_id, topup_id, count(*) AS undone
           FROM (SELECT account_id, topup_id FROM {card_refund} x WHERE status = 'failed'
                 UNION ALL SELECT account_id, topup_id FROM {dispute} x WHERE undone > 0) given_back
           GROUP BY account_id, topup_id) f USING (account_id, topup_id)
CROSS JOIN generate_series(1, 2) k
WHERE k = 1 OR (u.bonus = 'own_grant' AND u.bonus_credits > 0)

-- I12 dispute
-- Open or lost, something is withdrawn, or may be soon; won or averted, nothing is. Closed or not, as the word says.
SELECT account_id, concat_ws('/', account_id, dispute_id) AS key, 0 AS place,
    format('it is %s (%s), but of %s micros withdrawn %s were returned', status, coalesce(stripe_status, 'nobody says why'),
        withdrawn_micros, reinstated_micros) AS problem
FROM {dispute} x CROSS JOIN LATERAL (SELECT withdrawn_micros - reinstated_micros AS micros) gone
WHERE least(withdrawn_micros, reinstated_micros) < 0
    OR CASE status WHEN 'open' THEN stripe_status IN ({closed_stages})
            WHEN 'lost' THEN gone.micros <= 0 OR stripe_status NOT IN ({closed_stages})
            ELSE gone.micros > 0 OR stripe_status IN ({open_stages}) END

-- I12 topup
SELECT account_id, concat_ws('/', account_id, topup_id) AS key, 0 AS place,
    format('it is %s, paid at %s by %s, of %s micros %s returned and %s disputed, with %s lost or open disputes', u.status,
        coalesce(u.paid_at::text, 'no time'), coalesce(u.payment_id, 'no payment'), u.price_micros, u.returned_micros,
        u.disputed_micros, coalesce(d.standing, 0)) AS problem
FROM {topup} u
LEFT JOIN (SELECT account_id, topup_id, count(*) AS standing FROM {dispute} x WHERE status IN ('open', 'lost')
           GROUP BY account_id, topup_id) d USING (account_id, topup_id)
WHERE CASE WHEN u.status IN ('paid', 'refunded', 'disputed')
           THEN num_nulls(u.paid_at, u.payment_id) > 0
                OR u.status <> CASE WHEN d.standing > 0 THEN 'disputed'
                                    WHEN u.returned_micros >= u.price_micros THEN 'refunded' ELSE 'paid' END
           ELSE num_nonnulls(u.paid_at, u.payment_id) > 0 OR u.returned_micros <> 0 OR u.disputed_micros <> 0 END
    OR u.returned_deferred_micros NOT BETWEEN 0 AND least(u.returned_micros, u.price_micros) OR u.disputed_micros < 0

-- I12 grant
-- Credits come with the money: what was paid for, and a bonus with it or beside it. A restored grant has an origin.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(g.seq, 0) AS place,
    CASE WHEN g.granted IS NULL
         THEN format('there is no such grant, but top-up %s is %s and brings %s credits for %s micros %s', u.topup_id,
                u.status, u.credits, u.micros, u.currency)
         WHEN u.credits IS NULL
         THEN format('it is %s credits for %s micros %s, but no top-up that is paid brings it', g.granted,
                coalesce(g.paid_micros, 0), coalesce(g.currency, 'none'))
         ELSE format('it is a %s of %s credits for %s micros %s by %s, but its top-up brings a %s of %s for %s micros %s by %s',
                g.kind, g.granted, coalesce(g.paid_micros, 0), coalesce(g.currency, 'none'), coalesce(g.reference, 'none'),
                u.kind, u.credits, u.micros, u.currency, u.payment_id) END AS problem
FROM (SELECT * FROM {grant} x
      WHERE origin_grant_id IS NULL AND (grant_id LIKE 'pack:%' OR grant_id LIKE 'recharge:%')) g
FULL JOIN (SELECT u.account_id, {grants_of} || b.k AS grant_id, u.topup_id, u.status, u.currency, u.payment_id, b.*
           FROM {topup} u
           CROSS JOIN LATERAL (VALUES
               (1, 'purchase', u.credits::numeric + CASE u.bonus WHEN 'dilutes' THEN u.bonus_credits ELSE 0 END,
                   u.price_micros, 'stripe_clearing'),
               (2, 'promotion', CASE u.bonus WHEN 'dilutes' THEN 0 ELSE u.bonus_credits END, 0, NULL)
           ) b(k, kind, credits, micros, funding)
           WHERE u.status IN ('paid', 'refunded', 'disputed') AND b.credits > 0) u USING (account_id, grant_id)
WHERE ROW(g.kind, g.granted, g.paid_micros, g.currency, g.funding, g.reference)
    IS DISTINCT FROM ROW(u.kind, u.credits, u.micros, u.currency, u.funding, u.payment_id)

-- I12 grant
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(g.seq, 0) AS place,
    CASE WHEN g.paid_micros IS NULL
         THEN format('transfer money/%s pays %s micros %s for it, but there is no such paid grant', t.seq, t.amount, t.asset)
         WHEN t.amount IS NULL
         THEN format('%s micros %s were paid for it, but no transfer says so', g.paid_micros, g.currency)
         ELSE format('%s micros %s were paid for it into %s by %s, but %s transfers pay %s micros %s as %s by %s', g.paid_micros,
                g.currency, coalesce(g.funding, 'nothing'), coalesce(g.reference, 'none'), t.transfers, t.amount, t.asset,
                t.kind, coalesce(t.external_id, 'none')) END AS problem
FROM (SELECT *, 1 AS transfers FROM {grant} x WHERE origin_grant_id IS NULL AND paid_micros > 0) g
FULL JOIN (SELECT account_id, grant_id, count(*) AS transfers, sum(amount) AS amount, min(asset) AS asset, min(kind) AS kind,
                min(external_id) AS external_id, min(seq) AS seq
           FROM {transfer} x WHERE book = 'money' AND credit = 'deferred_revenue' AND kind LIKE 'purchase%'
           GROUP BY account_id, grant_id) t USING (account_id, grant_id)
WHERE ROW(g.paid_micros, g.currency, 'purchase_' || g.funding, g.reference, g.transfers)
    IS DISTINCT FROM ROW(t.amount, t.asset, t.kind, t.external_id, t.transfers)

-- I12 dispute
SELECT account_id, concat_ws('/', account_id, dispute_id) AS key, 0 AS place,
    format('it is %s, but took %s of %s micros out of deferred revenue', status, deferred_micros,
        withdrawn_micros - reinstated_micros) AS problem
FROM {dispute} x
WHERE deferred_micros NOT BETWEEN 0 AND CASE status WHEN 'lost' THEN withdrawn_micros - reinstated_micros ELSE 0 END

-- I12 card_refund, dispute
-- What its row says was posted of it, against what was, by kind: of a card refund in one transfer, of a dispute for one grant.
SELECT account_id, concat_ws('/', account_id, {this_id}) AS key, coalesce(t.seq, 0) AS place,
    CASE WHEN x.amount IS NULL
         THEN format('transfer money/%s moves %s micros %s as %s for it, but it is %s', t.seq, t.amount, t.asset, kind,
                coalesce(s.status, 'not there'))
         WHEN t.amount IS NULL THEN format('it is %s, but no transfer moves %s micros as %s', x.status, x.amount, kind)
         ELSE format('as %s it moves %s micros %s of grant %s, but by %s transfers %s micros %s of grant %s', kind, x.amount,
                coalesce(x.asset, 'none'), coalesce(x.grant_id, 'none'), t.transfers, t.amount, t.asset,
                coalesce(t.grant_id, 'none')) END AS problem
FROM (SELECT x.account_id, x.{this_id}, x.status, m.kind, m.amount, u.currency AS asset, {grants_of} || 1 AS grant_id
      FROM {this} x LEFT JOIN {topup} u ON u.account_id = x.account_id AND u.topup_id = x.topup_id
      CROSS JOIN LATERAL (VALUES {this_moves}) m(kind, amount, happened)
      WHERE m.happened AND m.amount <> 0) x
FULL JOIN (SELECT account_id, external_id AS {this_id}, regexp_replace(kind, '_undone$', '') AS kind,
                sum(CASE WHEN kind LIKE '%_undone' THEN -1 ELSE 1 END * amount) AS amount, min(asset) AS asset,
                min(grant_id) AS grant_id, count(*) AS transfers,
                CASE WHEN starts_with(min(kind), 'dispute') THEN count(DISTINCT (asset, grant_id)) ELSE count(*) END AS parts,
                min(seq) AS seq
           FROM {transfer} x WHERE book = 'money' AND starts_with(kind, '{this_name}')
           GROUP BY account_id, external_id, regexp_replace(kind, '_undone$', '')) t
    USING (account_id, {this_id}, kind)
LEFT JOIN (SELECT account_id, {this_id}, status FROM {this} x) s USING (account_id, {this_id})
WHERE CASE WHEN x.amount IS NULL THEN t.amount <> 0 OR s.status IS NULL
           ELSE ROW(x.amount, x.asset, x.grant_id, 1) IS DISTINCT FROM ROW(t.amount, t.asset, t.grant_id, t.parts) END

-- I12 topup
SELECT account_id, concat_ws('/', account_id, topup_id) AS key, 0 AS place,
    CASE WHEN u.status IS NULL THEN format('there is no such top-up, but %s micros of it were returned or are disputed',
                m.returned + m.disputed)
         ELSE format('returned is %s, %s of it deferred, and disputed %s, but its card refunds and disputes make %s, %s and %s',
                u.returned_micros, u.returned_deferred_micros, u.disputed_micros, coalesce(m.returned, 0),
                coalesce(m.deferred, 0), coalesce(m.disputed, 0)) END AS problem
FROM {topup} u
FULL JOIN (SELECT account_id, topup_id, sum(micros) FILTER (WHERE NOT open) AS returned,
                sum(deferred_micros) FILTER (WHERE NOT open) AS deferred, sum(micros) FILTER (WHERE open) AS disputed
           FROM (SELECT account_id, topup_id, amount_micros AS micros, deferred_micros, false AS open
                 FROM {card_refund} x WHERE status = 'succeeded'
                 UNION ALL SELECT account_id, topup_id, greatest(withdrawn_micros - reinstated_micros, 0), deferred_micros,
                     status = 'open' FROM {dispute} x WHERE status IN ('open', 'lost')) moves
           GROUP BY account_id, topup_id) m USING (account_id, topup_id)
WHERE ROW(u.returned_micros, u.returned_deferred_micros, u.disputed_micros) IS DISTINCT FROM
    ROW(coalesce(m.returned, 0), coalesce(m.deferred, 0), coalesce(m.disputed, 0))

-- I12 grant
-- Of N credits ⌈N·m/paid⌉ are taken back when m was returned, but no more than all, less what had expired. A refund that
-- failed, or a dispute that is lost no more, leaves what the others took, which was rounded beside it: then it may be less,
-- or what is worth the deferred revenue they took.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, g.seq AS place,
    format('clawed is %s of %s credits and %s expired, but %s of %s micros were returned, which is %s credits', g.clawed,
        g.granted, g.expired, coalesce(u.returned_micros, 0), coalesce(u.price_micros, 0), coalesce(s.credits, 0)) AS problem
FROM {grant} g LEFT JOIN ({bought}) u USING (account_id, grant_id)
CROSS JOIN LATERAL (SELECT div(g.granted::numeric * least(u.returned_micros, u.price_micros) + u.price_micros - 1,
                               nullif(u.price_micros, 0)) AS credits) s
WHERE CASE WHEN u.undone IS NULL THEN g.clawed > coalesce(s.credits, 0) OR g.clawed::numeric + g.expired < s.credits
           ELSE g.clawed > greatest(s.credits, div(g.granted::numeric * u.returned_deferred_micros + u.price_micros - 1,
                                                   nullif(u.price_micros, 0))) END

-- I12 grant
-- What was returned out of deferred revenue is covered by the basis of the credits that were revoked for it: usage and
-- expiry never come to it, so that what is left to be recognised is never negative. `Grant.revoked_micros`.
SELECT account_id, concat_ws('/', account_id, grant_id) AS key, g.seq AS place,
    format('%s micros were paid for %s credits, of which %s are revoked: that is %s, but %s were returned out of deferred revenue',
        g.paid_micros, g.granted, g.revoked, b.micros, u.returned_deferred_micros) AS problem
FROM {grant} g JOIN ({bought}) u USING (account_id, grant_id)
CROSS JOIN LATERAL (SELECT div(g.paid_micros::numeric * g.revoked + g.granted - 1, nullif(g.granted, 0)) AS micros) b
WHERE u.k = 1 AND b.micros < u.returned_deferred_micros

-- I12 account
SELECT account_id, account_id AS key, 0 AS place,
    format('deferred revenue is %s micros %s by its transfers, but %s by its grants, card refunds and disputes', sum(journal),
        coalesce(currency, 'none'), sum(others)) AS problem
FROM (
    SELECT account_id, asset AS currency, sum(CASE credit WHEN 'deferred_revenue' THEN amount ELSE -amount END) AS journal,
        0 AS others
    FROM {transfer} t WHERE book = 'money' AND 'deferred_revenue' IN (debit, credit) GROUP BY account_id, asset
    UNION ALL SELECT account_id, currency, 0, sum(paid_micros)
    FROM {grant} g WHERE origin_grant_id IS NULL AND paid_micros > 0 GROUP BY account_id, currency
    UNION ALL SELECT r.account_id, g.currency, 0, -sum(r.usage_micros + r.breakage_micros)
    FROM {recognition} r LEFT JOIN {grant} g ON g.account_id = r.account_id AND g.grant_id = r.grant_id
    GROUP BY r.account_id, g.currency
    UNION ALL SELECT x.account_id, u.currency, 0, -sum(x.deferred_micros)
    FROM (SELECT account_id, topup_id, deferred_micros FROM {card_refund} r WHERE status = 'succeeded'
          UNION ALL SELECT account_id, topup_id, deferred_micros FROM {dispute} d) x
    LEFT JOIN {topup} u ON u.account_id = x.account_id AND u.topup_id = x.topup_id GROUP BY x.account_id, u.currency
) sums GROUP BY account_id, currency HAVING sum(journal) <> sum(others)

-- I12 account
SELECT account_id, account_id AS key, 0 AS place,
    format('disputed is %s micros %s by its transfers, but %s by its open disputes', sum(journal),
        coalesce(currency, 'none'), sum(others)) AS problem
FROM (
    SELECT account_id, asset AS currency, sum(CASE debit WHEN 'disputed' THEN amount ELSE -amount END) AS journal, 0 AS others
    FROM {transfer} t WHERE book = 'money' AND 'disputed' IN (debit, credit) GROUP BY account_id, asset
    UNION ALL SELECT x.account_id, u.currency, 0, sum(greatest(x.withdrawn_micros - x.reinstated_micros, 0))
    FROM {dispute} x LEFT JOIN {topup} u ON u.account_id = x.account_id AND u.topup_id = x.topup_id
    WHERE x.status = 'open' GROUP BY x.account_id, u.currency
) sums GROUP BY account_id, currency HAVING sum(journal) <> sum(others)
