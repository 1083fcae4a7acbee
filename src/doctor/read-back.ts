import type { Claim, Log } from '../log/log.ts'
import { readRange } from '../log/read-range.ts'
import { visitRecords } from '../record/batch-reader.ts'
import type { Judgement } from './report.ts'

const FETCH_BYTES_MAX = 8 * 2 ** 20
const FINDINGS_MAX = 10

/** A scratch source: how many records it gave, and what each was. */
export interface Given {
  readonly claim: Claim
  readonly records: number
  payload(number: number): Buffer
}

/** Reads the partitions back and compares: record n of a source has to lie at offset n, once, byte for byte. */
export async function readBack(log: Log, given: readonly Given[]): Promise<Judgement[]> {
  const ends = await log.ends(given.map(({ claim }) => claim))
  const findings: string[] = []
  let read = 0
  let wrong = 0
  for (const { claim, records, payload } of given) {
    const end = ends.get(claim)?.next ?? 0
    const at = `${claim.source.source}`
    let next = 0
    const find = (text: string) => {
      wrong += 1
      if (findings.length < FINDINGS_MAX) findings.push(`${at}: ${text}`)
    }
    const range = { topic: claim.topic, partition: claim.partition, from: 0, to: end }
    for await (const { batches } of readRange(log, [range], { maxBytes: FETCH_BYTES_MAX })) {
      for (const batch of batches) {
        visitRecords(batch, ({ sequence, bytes, valueFrom, valueTo }) => {
          read += 1
          if (sequence !== next) find(`offset ${sequence} where ${next} should follow`)
          next = sequence + 1
          if (valueFrom < 0 || !payload(sequence).equals(bytes.subarray(valueFrom, valueTo)))
            find(`offset ${sequence} holds another record than number ${sequence}`)
        })
      }
    }
    if (next !== records) find(`${next} records are there, ${records} were given`)
  }
  return [
    {
      what: 'every record once, at the offset that is its number, with its bytes',
      verdict: wrong === 0 && read > 0 ? 'holds' : 'fails',
      detail: `${read} records of ${given.length} sources read back, ${wrong} wrong${findings.map(each => `; ${each}`).join('')}`,
    },
  ]
}
