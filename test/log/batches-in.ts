import { expect } from 'vitest'
import type { Claim, Log, Place } from '../../src/log/log.ts'
import { readRange } from '../../src/log/read-range.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import type { SourceId } from '../../src/runtime/names.ts'
import { cutBatch } from '../support/batches.ts'

export const LIMITS = { maxBytes: 2 ** 20, waitMs: 2_000 }

/**
 * Sources with names of their own, batches for them, and what of these lies in a log. The log is asked for with each call: it is opened before the
 * tests run, and after they are told.
 */
export function batchesIn(log: () => Log) {
  let run = 0

  function names(): { topic: string; source: SourceId } {
    run += 1
    const unique = `${Date.now().toString(36)}-${run}`
    return { topic: `topic-${unique}`, source: { gateway: `gw-${unique}`, source: 'source-1' } }
  }

  /** A source that no test has used. */
  async function claimed(): Promise<Claim> {
    const { topic, source } = names()
    return log().claim(source, topic)
  }

  const batchOf = (claim: Claim, sequence: number, count: number, salt = '') =>
    cutBatch(sequence, count, {
      key: `${claim.source.gateway}/${claim.source.source}`,
      producerId: claim.producerId,
      epoch: claim.epoch,
      epochStart: claim.epochStart,
      salt,
    })

  async function append(claim: Claim, sequence: number, count: number, on = log()) {
    const { proof } = await on.end(claim)
    return on.append(claim, batchOf(claim, sequence, count), proof)
  }

  /** A source with one batch of each of these sizes. */
  async function filled(...counts: number[]): Promise<Claim> {
    const claim = await claimed()
    let sequence = 0
    for (const count of counts) {
      expect(await append(claim, sequence, count)).toEqual({ outcome: 'appended', offset: sequence })
      sequence += count
    }
    return claim
  }

  /** What the records [from, to) say. */
  async function textsOf(place: Place, from: number, to: number, on = log()): Promise<string[]> {
    const texts: string[] = []
    for await (const part of readRange(on, [{ topic: place.topic, partition: place.partition, from, to }], LIMITS)) {
      for (const bytes of part.batches) {
        for (const record of decodeBatch(bytes)) {
          if (record.sequence >= from && record.sequence < to) texts.push(record.value?.toString('utf8') ?? '')
        }
      }
    }
    return texts
  }

  /** What they should say. */
  const textsFor = (claim: Claim, from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => `${claim.source.gateway}/${claim.source.source}#${from + index}`)

  return { names, claimed, batchOf, append, filled, textsOf, textsFor }
}
