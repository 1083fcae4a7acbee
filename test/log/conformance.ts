import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Claim, Log } from '../../src/log/log.ts'
import { follow, readRange } from '../../src/log/read-range.ts'
import { AT } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BATCH_BYTES_MAX } from '../../src/record/check-batch.ts'
import { cutBatch } from '../support/batches.ts'
import { until } from '../support/until.ts'
import { batchesIn, LIMITS } from './batches-in.ts'
import { describeFollowing } from './following.ts'

/** What an engine is able to do. */
export interface Abilities {
  /** Whether what came with a void proof is refused: an engine without connections has none that can be void. */
  readonly proofsExpire: boolean
  /** Whether a repeat is told from a first time: Kafka answers both alike, with the offset at which the batch lies. */
  readonly tellsRepeats: boolean
}

/** An engine as the suite sees it. */
export interface Engine {
  /** Opens the same log anew; several may be open at once. */
  open(): Promise<Log>
  /** Ends the engine's own process without a warning and starts it again, where it has one. */
  kill9?(): Promise<void>
  stop(): Promise<void>
}

/** What every log has to do, whatever it is made of. Names are new for each test, so that one log serves all. */
export function describeLog<E extends Engine>(name: string, can: Abilities, start: () => Promise<E>): void {
  describe(`the log contract on ${name}`, () => {
    let engine: E
    let log: Log

    beforeAll(async () => {
      engine = await start()
      log = await engine.open()
    })
    afterAll(async () => {
      await log?.close()
      await engine?.stop()
    })

    const { names, claimed, batchOf, append, filled, textsOf, textsFor } = batchesIn(() => log)

    test('is the same log each time it is opened', async () => {
      const again = await engine.open()
      expect(await again.identity()).toEqual(await log.identity())
      await again.close()
    })

    describe('claims', () => {
      test('a source has one claim for ever, whoever asks, and however many at once', async () => {
        const { topic, source } = names()
        const others = await Promise.all([engine.open(), engine.open()])
        const asked = await Promise.all([log, ...others].flatMap(each => [each.claim(source, topic), each.claim(source, topic)]))
        for (const claim of asked) expect(claim).toEqual(asked[0])
        expect(await log.claim(source, `${topic}-renamed`)).toEqual(asked[0])
        expect(await others[0]?.claimOf(source)).toEqual(asked[0])
        for (const other of others) await other.close()
      })

      test('no two sources share a partition or a producer, also when three processes claim them at once', async () => {
        const { topic, source } = names()
        const others = await Promise.all([engine.open(), engine.open()])
        const sources = Array.from({ length: 12 }, (_, index) => ({ ...source, source: `source-${index}` }))
        const asked = await Promise.all(sources.map((each, index) => ([log, ...others][index % 3] ?? log).claim(each, topic)))
        expect(new Set(asked.map(({ partition }) => partition)).size).toBe(sources.length)
        expect(new Set(asked.map(({ producerId }) => producerId)).size).toBe(sources.length)
        expect(Math.max(...asked.map(({ partition }) => partition))).toBe(sources.length - 1)
        const listed = (await log.claims()).filter(claim => claim.topic === topic)
        expect(listed.length).toBe(sources.length)
        for (const other of others) await other.close()
      })

      test('a source that nobody claimed has none', async () => {
        expect(await log.claimOf(names().source)).toBeUndefined()
      })

      test('a new epoch begins at the end, and the old one is fenced', async () => {
        const claim = await filled(3)
        const renewed = await log.renewEpoch(claim.source)
        expect(renewed).toMatchObject({ topic: claim.topic, partition: claim.partition, epoch: claim.epoch + 1, epochStart: 3 })
        expect(await append(renewed, 3, 2)).toEqual({ outcome: 'appended', offset: 3 })
        expect(await append(claim, 5, 1)).toMatchObject({ outcome: 'refused', reason: 'fenced' })
        expect(await textsOf(claim, 0, 5)).toEqual(textsFor(claim, 0, 5))
      })
    })

    describe('what is said of a source', () => {
      const FIELDS = { temp_c: { type: 'number' as const, unit: '°C', description: 'Oil' }, state: {} }

      test('stays with its claim, through a new epoch and a restart, and is seen by every process', async () => {
        const claim = await claimed()
        const other = await engine.open()
        await log.describe([{ source: claim.source, fields: FIELDS }])
        expect(await other.claimOf(claim.source)).toEqual({ ...claim, fields: FIELDS })
        expect(await log.claim(claim.source, claim.topic)).toEqual({ ...claim, fields: FIELDS })
        await other.describe([{ source: claim.source, fields: { ...FIELDS, more: {} } }])
        expect((await log.renewEpoch(claim.source)).fields).toEqual({ ...FIELDS, more: {} })
        await other.close()
        const again = await engine.open()
        const listed = (await again.claims()).find(each => each.topic === claim.topic)
        expect(listed).toMatchObject({ epoch: 1, fields: { ...FIELDS, more: {} } })
        await again.close()
      })

      test('of a source without a claim is left out', async () => {
        const { source } = names()
        await log.describe([{ source, fields: FIELDS }])
        expect(await log.claimOf(source)).toBeUndefined()
        await expect(log.retire(source)).rejects.toMatchObject({ code: 'not_found' })
      })

      test('a retired source keeps its partition for ever, and a new epoch ends its retirement', async () => {
        const claim = await filled(3)
        const other = await engine.open()
        const retired = await log.retire(claim.source)
        expect(retired).toEqual({ ...claim, retiredMs: expect.any(Number) })
        expect(await other.retire(claim.source)).toEqual(retired)
        expect(await other.claim(claim.source, `${claim.topic}-renamed`)).toEqual(retired)
        const neighbour = await log.claim({ ...claim.source, source: 'neighbour' }, claim.topic)
        expect(neighbour.partition).not.toBe(claim.partition)
        const renewed = await other.renewEpoch(claim.source)
        expect(renewed).toMatchObject({ topic: claim.topic, partition: claim.partition, epoch: 1, epochStart: 3 })
        expect(renewed.retiredMs).toBeUndefined()
        expect((await log.claimOf(claim.source))?.retiredMs).toBeUndefined()
        expect(await textsOf(claim, 0, 3)).toEqual(textsFor(claim, 0, 3))
        await other.close()
      })
    })

    describe('append', () => {
      test('a topic of its own takes batches as large as a gateway may make them', async () => {
        expect(await log.batchBytesMax((await claimed()).topic)).toBe(BATCH_BYTES_MAX)
      })

      test('an empty partition has bounds 0 and 0 and no last batch', async () => {
        const claim = await claimed()
        expect(await log.end(claim)).toMatchObject({ first: 0, next: 0 })
        expect(await log.lastBatch(claim)).toBeUndefined()
      })

      test('a batch lies at the offset that is its number, byte for byte but for what a broker sets', async () => {
        const claim = await filled(2, 3)
        expect(await log.end(claim)).toMatchObject({ first: 0, next: 5 })
        const [part] = await log.fetch([{ ...claim, from: 2 }], LIMITS)
        const stored = part?.batches[0]
        const sent = batchOf(claim, 2, 3).bytes
        expect(stored?.readBigInt64BE(0)).toBe(2n)
        // From the attributes on everything is under the CRC.
        expect(stored?.subarray(16).equals(sent.subarray(16))).toBe(true)
      })

      test('knows its last batch by number, count and CRC', async () => {
        const claim = await filled(2, 3)
        const { crc } = batchOf(claim, 2, 3)
        expect(await log.lastBatch(claim)).toEqual({ sequence: 2, count: 3, crc })
      })

      test('gives the last batches of many partitions, also where those are more bytes than one answer has', async () => {
        const { topic, source } = names()
        const claims = await Promise.all(
          Array.from({ length: 12 }, (_, index) => log.claim({ ...source, source: `source-${index}` }, topic)),
        )
        const filled = claims.slice(1)
        const large = (claim: Claim) => cutBatch(0, 1, { ...claim, key: 'k', salt: 'x'.repeat(900_000) })
        for (const claim of filled) await log.append(claim, large(claim), (await log.end(claim)).proof)
        const found = await log.lastBatches(claims, batch => batch.readUInt32BE(AT.crc))
        expect(found.size).toBe(claims.length)
        expect(claims.map(claim => found.get(claim))).toEqual([
          undefined,
          ...filled.map(claim => large(claim).bytes.readUInt32BE(AT.crc)),
        ])
      })

      test('the same batch again is a repeat, and is not stored twice', async () => {
        const claim = await filled(2, 3)
        const outcome = can.tellsRepeats ? 'repeated' : 'appended'
        expect(await append(claim, 2, 3)).toEqual({ outcome, offset: 2 })
        expect(await append(claim, 0, 2)).toEqual({ outcome, offset: 0 })
        expect(await log.end(claim)).toMatchObject({ next: 5 })
      })

      test.each([
        ['a hole', 6, 1],
        ['an overlap', 3, 4],
        ['an older number in another cut', 1, 2],
      ])('%s is refused', async (_what, sequence, count) => {
        const claim = await filled(2, 3)
        expect(await append(claim, sequence, count)).toMatchObject({ outcome: 'refused', reason: 'gap' })
        expect(await log.end(claim)).toMatchObject({ next: 5 })
      })

      test('a batch whose bytes changed on the way is refused', async () => {
        const claim = await claimed()
        const { proof } = await log.end(claim)
        const batch = batchOf(claim, 0, 2)
        const bytes = Buffer.from(batch.bytes)
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
        expect(await log.append(claim, { ...batch, bytes }, proof)).toMatchObject({ outcome: 'refused', reason: 'corrupt' })
        expect(await log.end(claim)).toMatchObject({ next: 0 })
      })

      test('two writers with the same batch at once leave it there once', async () => {
        const claim = await filled(2)
        const other = await engine.open()
        const answers = await Promise.all([append(claim, 2, 2), append(claim, 2, 2, other)])
        for (const answer of answers) expect(answer).toMatchObject({ offset: 2 })
        expect(await log.end(claim)).toMatchObject({ next: 4 })
        expect(await textsOf(claim, 0, 4)).toEqual(textsFor(claim, 0, 4))
        await other.close()
      })

      test('many partitions at once', async () => {
        const { topic, source } = names()
        const claims: Claim[] = []
        for (let index = 0; index < 8; index++) claims.push(await log.claim({ ...source, source: `source-${index}` }, topic))
        const ends = await log.ends(claims)
        const answers = await Promise.all(
          claims.map(claim => {
            const end = ends.get(claim)
            if (!end) throw new Error(`no end of ${claim.partition}`)
            return log.append(claim, batchOf(claim, 0, 5), end.proof)
          }),
        )
        for (const answer of answers) expect(answer).toEqual({ outcome: 'appended', offset: 0 })
        for (const claim of claims) expect(await textsOf(claim, 0, 5)).toEqual(textsFor(claim, 0, 5))
      })
    })

    describe('read', () => {
      test('from any offset on, whole batches in order', async () => {
        const claim = await filled(2, 3, 4)
        for (let from = 0; from <= 8; from++) expect(await textsOf(claim, from, 9)).toEqual(textsFor(claim, from, 9))
      })

      test('in parts, where more is there than one answer may hold', async () => {
        const claim = await filled(50, 50, 50, 50)
        const texts: string[] = []
        for await (const part of readRange(log, [{ ...claim, from: 0, to: 200 }], { maxBytes: 1 })) {
          for (const bytes of part.batches) texts.push(...decodeBatch(bytes).map(record => record.value?.toString() ?? ''))
        }
        expect(texts).toEqual(textsFor(claim, 0, 200))
      })

      test('behind the end, or before the beginning, is said and never reset', async () => {
        const claim = await filled(5, 5)
        await log.trim(claim, 5)
        for (const from of [0, 4, 11]) {
          expect(await log.fetch([{ ...claim, from }], { ...LIMITS, waitMs: 0 })).toMatchObject([
            { outOfRange: true, batches: [] },
          ])
        }
        await expect(textsOf(claim, 0, 10)).rejects.toMatchObject({ code: 'offset_out_of_range' })
      })

      test('at the end there is nothing yet, and what comes is given', async () => {
        const claim = await filled(2)
        expect(await log.fetch([{ ...claim, from: 2 }], { ...LIMITS, waitMs: 0 })).toMatchObject([{ batches: [], next: 2 }])
        const waiting = log.fetch([{ ...claim, from: 2 }], { ...LIMITS, waitMs: 10_000 })
        await append(claim, 2, 1)
        expect((await waiting)[0]?.batches.length).toBe(1)
      })

      test('follows several partitions, each in order', async () => {
        const claims = [await filled(1), await filled(1)]
        const stopping = new AbortController()
        const seen = new Map<string, number[]>()
        const following = (async () => {
          const cursors = claims.map(claim => ({ topic: claim.topic, partition: claim.partition, from: 0 }))
          for await (const { place, batches } of follow(log, cursors, { ...LIMITS, signal: stopping.signal })) {
            const offsets = seen.get(place.topic) ?? []
            seen.set(place.topic, offsets)
            for (const bytes of batches) offsets.push(...decodeBatch(bytes).map(({ sequence }) => sequence))
          }
        })()
        for (let sequence = 1; sequence < 20; sequence++) for (const claim of claims) await append(claim, sequence, 1)
        await until('all of it was followed', () => claims.every(({ topic }) => seen.get(topic)?.length === 20))
        stopping.abort()
        await following
        for (const offsets of seen.values()) expect(offsets).toEqual(Array.from({ length: 20 }, (_, index) => index))
      })

      test('by time: the first record that is not older', async () => {
        const claim = await claimed()
        const timeMs = 1_767_225_600_000
        await append(claim, 0, 3)
        expect(await log.offsetAt(claim, timeMs - 1)).toBe(0)
        expect(await log.offsetAt(claim, timeMs)).toBe(0)
        expect(await log.offsetAt(claim, timeMs + 1)).toBe(3)
      })
    })

    describeFollowing(() => log, { append, filled }, can.proofsExpire ? async () => engine.kill9?.() : undefined)

    test('trim moves the beginning, never the end, and never back', async () => {
      const claim = await filled(5, 5)
      await log.trim(claim, 5)
      expect(await log.end(claim)).toMatchObject({ first: 5, next: 10 })
      expect(await textsOf(claim, 5, 10)).toEqual(textsFor(claim, 5, 10))
      expect(await append(claim, 10, 1)).toEqual({ outcome: 'appended', offset: 10 })
    })

    test('offsets of a group are kept by group and place', async () => {
      const [claim, other] = [await filled(5), await filled(5)]
      const group = `headrace.test-${claim.topic}`
      expect(await log.committedOffsets(group, [claim])).toEqual([])
      await log.commitOffsets(group, [{ topic: claim.topic, partition: claim.partition, from: 3 }])
      await log.commitOffsets(group, [{ topic: claim.topic, partition: claim.partition, from: 4 }])
      const again = await engine.open()
      expect(await again.committedOffsets(group, [claim, other])).toEqual([
        { topic: claim.topic, partition: claim.partition, from: 4 },
      ])
      expect(await again.committedOffsets(`${group}-2`, [claim])).toEqual([])
      await again.close()
    })

    test('what was appended is there after it was closed and opened', async () => {
      const claim = await filled(4, 4)
      const again = await engine.open()
      expect(await again.claimOf(claim.source)).toEqual(claim)
      expect(await textsOf(claim, 0, 8, again)).toEqual(textsFor(claim, 0, 8))
      expect(await append(claim, 8, 1, again)).toEqual({ outcome: 'appended', offset: 8 })
      await again.close()
    })

    if (can.proofsExpire) {
      const kill9 = () => engine.kill9?.() ?? Promise.reject(new Error('this engine has no process of its own'))

      test('killed -9 in the middle, and started again, it has all that it acknowledged, goes on, and takes no proof from before', async () => {
        const quiet = await filled(2)
        const { proof } = await log.end(quiet)
        const claim = await filled(5)
        let next = 5
        let isOver = false
        const appending = (async () => {
          while (!isOver) {
            const end = await log.end(claim).catch(() => undefined)
            if (!end) continue
            // What was stored although its answer was lost is seen here.
            next = end.next
            await log.append(claim, batchOf(claim, next, 3), end.proof)
          }
        })()
        await until('some batches are in', () => next > 20)
        await kill9()
        const acknowledged = next
        await until('it goes on', () => next > acknowledged + 20, 60_000)
        isOver = true
        await appending
        const { next: end } = await log.end(claim)
        expect(await textsOf(claim, 0, end)).toEqual(textsFor(claim, 0, end))
        await until('the quiet one can be asked again', () => log.end(quiet).catch(() => undefined), 60_000)
        expect(await log.append(quiet, batchOf(quiet, 2, 1), proof)).toMatchObject({ outcome: 'refused', reason: 'proof_void' })
        expect(await append(quiet, 2, 1)).toEqual({ outcome: 'appended', offset: 2 })
      }, 120_000)
    }
  })
}
