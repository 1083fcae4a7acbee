import { describe, expect, test } from 'vitest'
import type { Claim, Follower, Log, Place } from '../../src/log/log.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { until } from '../support/until.ts'
import { type batchesIn, LIMITS } from './batches-in.ts'

const at = ({ topic, partition }: Place, from: number) => ({ topic, partition, from })

/** What a follower has given so far, by place: the numbers of records, in the order in which they came. */
function gathering(follower: Follower) {
  const seen = new Map<string, number[]>()
  const of = (claim: Claim) => seen.get(`${claim.topic} ${claim.partition}`) ?? []
  const step = async (waitMs = LIMITS.waitMs) => {
    const parts = await follower.fetch({ ...LIMITS, waitMs })
    for (const { topic, partition, batches } of parts) {
      const numbers = batches.flatMap(bytes => decodeBatch(bytes).map(({ sequence }) => sequence))
      seen.set(`${topic} ${partition}`, [...(seen.get(`${topic} ${partition}`) ?? []), ...numbers])
    }
    return parts
  }
  return { of, step }
}

/** What every follower has to do, of whatever log it is. */
export function describeFollowing(
  log: () => Log,
  { append, filled }: Pick<ReturnType<typeof batchesIn>, 'append' | 'filled'>,
  kill9?: () => Promise<void>,
): void {
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

  async function following(test: (follower: Follower) => Promise<void>): Promise<void> {
    const follower = log().follower()
    try {
      await test(follower)
    } finally {
      follower.close()
    }
  }

  describe('a follower', () => {
    test('of which one partition always has more than a fetch may bring gives what the others have: they waited for as long as that one was ahead', () =>
      following(async follower => {
        const [busy, quiet] = [await filled(2, 2), await filled(1)]
        for (const claim of [busy, quiet]) follower.follow(at(claim, 0))
        const seen: string[] = []
        for (let more = 0; more < 8; more++) {
          await append(busy, 4 + more, 1)
          for (const { topic, batches } of await follower.fetch({ ...LIMITS, maxBytes: 1 }))
            if (batches.length > 0) seen.push(topic)
        }
        expect(seen).toContain(quiet.topic)
        expect(seen.filter(topic => topic === busy.topic).length).toBeGreaterThan(1)
      }))

    test('gives what there is and what comes, once, and says of each partition where its end is', () =>
      following(async follower => {
        const claims = [await filled(2, 2), await filled(), await filled(1)]
        for (const claim of claims) follower.follow(at(claim, 0))
        const { of, step } = gathering(follower)
        const counts = () => claims.map(claim => of(claim).length)
        const ends = new Map<string, number>()
        await until('all that was there is given', async () => {
          for (const { topic, next } of await step(0)) ends.set(topic, next)
          return ends.size === 3 && counts().join() === '4,0,1'
        })
        expect(claims.map(({ topic }) => ends.get(topic))).toEqual([4, 0, 1])
        for (let more = 0; more < 6; more++) {
          await append(claims[0] as Claim, 4 + more, 1)
          await append(claims[1] as Claim, more, 1)
        }
        await until('what came is given', async () => {
          await step()
          return counts().join() === '10,6,1'
        })
        expect(claims.map(of)).toEqual([upTo(10), upTo(6), upTo(1)])
      }))

    test('goes on from elsewhere where it is told to, and gives nothing more of what it was told to leave', () =>
      following(async follower => {
        const [claim, left] = [await filled(2, 2), await filled(2)]
        follower.follow(at(claim, 0))
        follower.follow(at(left, 0))
        const { of, step } = gathering(follower)
        await until('all of it is given', async () => {
          await step()
          return of(claim).length === 4 && of(left).length === 2
        })
        follower.leave(left)
        follower.follow(at(claim, 2))
        await append(left, 2, 1)
        await append(claim, 4, 1)
        await until('it goes on', async () => {
          await step()
          return of(claim).length >= 7
        })
        expect(of(claim)).toEqual([0, 1, 2, 3, 2, 3, 4])
        expect(of(left)).toEqual([0, 1])
        follower.follow(at(left, 2))
        await until('and with what it left', async () => {
          await step()
          return of(left).length === 3
        })
        expect(of(left)).toEqual([0, 1, 2])
      }))

    test('what is out of range is said, each time, and others go on beside it', () =>
      following(async follower => {
        const [claim, other] = [await filled(2), await filled(1)]
        follower.follow(at(claim, 5))
        follower.follow(at(other, 0))
        const { of, step } = gathering(follower)
        let said = 0
        await until('it is said twice, and the other is read', async () => {
          for (const part of await step(0)) {
            if (part.topic !== claim.topic) continue
            expect(part).toMatchObject({ outOfRange: true, first: 0, next: 2, batches: [] })
            said += 1
          }
          return said >= 2 && of(other).length === 1
        })
        follower.follow(at(claim, 1))
        await until('it is read', async () => {
          await step()
          return of(claim).length > 0
        })
        expect(of(claim)).toContain(1)
      }))

    test('nobody waits for one that waits: not who reads, and not another follower', () =>
      following(async follower => {
        const [quiet, other] = [await filled(1), await filled(1)]
        follower.follow(at(quiet, 1))
        await follower.fetch({ ...LIMITS, waitMs: 0 })
        let isOver = false
        const waiting = follower.fetch({ ...LIMITS, waitMs: 20_000 }).then(parts => {
          isOver = true
          return parts
        })
        await following(async second => {
          second.follow(at(other, 0))
          const { of, step } = gathering(second)
          await until('the other gives what there is', async () => {
            await step(0)
            return of(other).length === 1
          })
        })
        expect((await log().fetch([at(other, 0)], { ...LIMITS, waitMs: 0 }))[0]?.batches).toHaveLength(1)
        expect(isOver).toBe(false)
        await append(quiet, 1, 1)
        expect((await waiting)[0]?.batches).toHaveLength(1)
      }))

    if (kill9) {
      test('goes on where it stands when the broker was killed -9, which forgets what it was told', () =>
        following(async follower => {
          const claims = [await filled(2), await filled(1)]
          for (const claim of claims) follower.follow(at(claim, 0))
          const { of, step } = gathering(follower)
          const isRead = (...counts: number[]) =>
            until(
              'all of it is given',
              async () => {
                await step().catch(() => {})
                return claims.every((claim, index) => of(claim).length === counts[index])
              },
              60_000,
            )
          await isRead(2, 1)
          await kill9()
          for (const [index, claim] of claims.entries()) {
            await until(
              'it is appended',
              async () => {
                await append(claim, 2 - index, 2).catch(() => {})
                return (
                  (
                    await log()
                      .end(claim)
                      .catch(() => undefined)
                  )?.next ===
                  4 - index
                )
              },
              60_000,
            )
          }
          await isRead(4, 3)
          expect(claims.map(of)).toEqual([upTo(4), upTo(3)])
        }))
    }
  })
}
