import { parseGap } from '../../src/record/gap.ts'

/** A record as an independent consumer read it. */
export interface ConsumedRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

export interface Expectation {
  /** `<gateway>/<source>` → how many records its device gave, and what each of them was. */
  readonly sources: ReadonlyMap<string, { readonly partition: number; readonly records: number; payload(number: number): Buffer }>
}

export interface Verdict {
  readonly records: number
  readonly lost: number
  readonly repeated: number
  readonly outOfOrder: number
  /** Records that a `gap` declares. */
  readonly declaredLost: number
  /** What was found, in words, the first few of each kind. */
  readonly findings: readonly string[]
}

const FINDINGS_MAX = 20
const NUMBER_HEADER = 'seq'

/**
 * Compares what lies in the partitions with what the devices gave. It knows nothing of how it came there: it reads payloads, offsets, keys and
 * headers alone. A device's records are numbered in the order in which it gave them, so that a partition without gaps has to hold record n at
 * offset n; where gaps are declared, records still have to rise, and as many have to be missing as were declared.
 */
export function check(expectation: Expectation, consumed: readonly ConsumedRecord[]): Verdict {
  const findings: string[] = []
  const totals = { lost: 0, repeated: 0, outOfOrder: 0, declaredLost: 0 }
  const find = (text: string) => {
    if (findings.length < FINDINGS_MAX) findings.push(text)
  }
  const byPartition = Map.groupBy(consumed, record => record.partition)
  for (const [source, expected] of expectation.sources) {
    const records = byPartition.get(expected.partition) ?? []
    byPartition.delete(expected.partition)
    const numbers = new Map<string, number>()
    for (let number = 0; number < expected.records; number++) numbers.set(expected.payload(number).toString('latin1'), number)
    const seen = new Set<number>()
    let highest = -1
    let declared = 0
    for (const [index, record] of records.entries()) {
      const where = `${source} offset ${record.offset}`
      const first = records[0]?.offset ?? 0
      if (record.offset !== first + index) find(`${where}: offsets are not contiguous`)
      if (record.key !== source) find(`${where}: key is ${record.key}`)
      if (record.headers[NUMBER_HEADER] !== String(record.offset)) find(`${where}: seq is ${record.headers[NUMBER_HEADER]}`)
      const gap = record.headers['gap']
      if (gap !== undefined) declared += parseGap(Buffer.from(gap))?.records ?? 0
      if (record.value === null) {
        if (gap === undefined && !inPlaceholder(records, index)) find(`${where}: no value, and no gap says why`)
        continue
      }
      const number = numbers.get(record.value.toString('latin1'))
      if (number === undefined) {
        find(`${where}: the device never gave "${record.value.subarray(0, 60).toString('latin1')}"`)
        continue
      }
      if (seen.has(number)) {
        totals.repeated += 1
        find(`${where}: record ${number} once more`)
      } else if (number < highest) {
        totals.outOfOrder += 1
        find(`${where}: record ${number} after ${highest}`)
      }
      seen.add(number)
      highest = Math.max(highest, number)
    }
    const missing = expected.records - seen.size
    totals.declaredLost += declared
    if (missing > declared) {
      totals.lost += missing - declared
      find(`${source}: ${missing} of ${expected.records} records are missing, ${declared} of them declared`)
    }
  }
  for (const [partition, records] of byPartition)
    find(`partition ${partition} belongs to no source and holds ${records.length} records`)
  return { records: consumed.length, ...totals, findings }
}

/** A placeholder says its gap once, in its first record; those behind it have no value either. */
function inPlaceholder(records: readonly ConsumedRecord[], index: number): boolean {
  for (let at = index; at >= 0 && records[at]?.value === null; at--) {
    if (records[at]?.headers['gap'] !== undefined) return true
  }
  return false
}

/** The verdict of a run in which nothing may be missing at all. */
export function isClean(verdict: Verdict): boolean {
  return verdict.lost + verdict.repeated + verdict.outOfOrder + verdict.declaredLost === 0 && verdict.findings.length === 0
}
