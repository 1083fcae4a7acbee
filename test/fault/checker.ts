import { parseGap } from '../../src/record/gap.ts'

/** A record as an independent consumer read it. */
export interface ConsumedRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

/** How many records a device gave, and what each of them was. */
export interface ExpectedSource {
  readonly partition: number
  readonly records: number
  payload(number: number): Buffer
  /** Whether nothing was promised of this record yet: its gateway was killed before its `durability` had passed. Never unless given. */
  atRisk?(number: number): boolean
}

export interface Expectation {
  /** By `<gateway>/<source>`. */
  readonly sources: ReadonlyMap<string, ExpectedSource>
}

export interface Verdict {
  readonly records: number
  readonly lost: number
  readonly repeated: number
  readonly outOfOrder: number
  /** Records that a `gap` declares. */
  readonly declaredLost: number
  /** Declared, though they are there. */
  readonly overdeclared: number
  /** Missing, and at risk: nothing was promised of them. */
  readonly atRisk: number
  /** What was found, in words, the first few of each kind. */
  readonly findings: readonly string[]
}

const FINDINGS_MAX = 20
const NUMBER_HEADER = 'seq'

interface Totals {
  lost: number
  repeated: number
  outOfOrder: number
  declaredLost: number
  overdeclared: number
  atRisk: number
}

/**
 * Compares what lies in the partitions with what the devices gave. It knows nothing of how it came there: it reads payloads, offsets, keys and
 * headers alone. A device's records are numbered in the order in which it gave them, so that a partition without gaps has to hold record n at
 * offset n; where gaps are declared, records still have to rise, and no more may be missing up to any place than was declared up to there.
 */
export function check(expectation: Expectation, consumed: readonly ConsumedRecord[]): Verdict {
  const findings: string[] = []
  const totals: Totals = { lost: 0, repeated: 0, outOfOrder: 0, declaredLost: 0, overdeclared: 0, atRisk: 0 }
  const find = (text: string) => {
    if (findings.length < FINDINGS_MAX) findings.push(text)
  }
  const byPartition = Map.groupBy(consumed, record => record.partition)
  for (const [source, expected] of expectation.sources) {
    checkSource(source, expected, byPartition.get(expected.partition) ?? [], totals, find)
    byPartition.delete(expected.partition)
  }
  for (const [partition, records] of byPartition)
    find(`partition ${partition} belongs to no source and holds ${records.length} records`)
  return { records: consumed.length, ...totals, findings }
}

function checkSource(
  source: string,
  expected: ExpectedSource,
  records: readonly ConsumedRecord[],
  totals: Totals,
  find: (text: string) => void,
): void {
  const payloads = Array.from({ length: expected.records }, (_, number) => expected.payload(number).toString('latin1'))
  const numbers = new Map(payloads.map((payload, number) => [payload, number]))
  const isAtRisk = (number: number) => expected.atRisk?.(number) ?? false
  const seen = new Set<number>()
  let highest = -1
  let declared = 0
  let missing = 0
  const passOver = (to: number, where: string) => {
    for (let number = highest + 1; number < to; number++) if (!isAtRisk(number)) missing += 1
    if (missing > declared) find(`${where}: ${missing} records are missing up to here, ${declared} of them declared`)
  }
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
    const text = record.value.toString('latin1')
    const number = numbers.get(text)
    if (number === undefined) {
      if (!isRestOf(text, highest + 1, payloads, isAtRisk)) find(`${where}: the device never gave "${text.slice(0, 60)}"`)
      continue
    }
    if (seen.has(number)) {
      totals.repeated += 1
      find(`${where}: record ${number} once more`)
    } else if (number < highest) {
      totals.outOfOrder += 1
      find(`${where}: record ${number} after ${highest}`)
    } else if (number > highest + 1) passOver(number, where)
    seen.add(number)
    highest = Math.max(highest, number)
  }
  passOver(expected.records, `${source}'s end`)
  const unseen = payloads.map((_, number) => number).filter(number => !seen.has(number))
  const atRisk = unseen.filter(isAtRisk).length
  totals.atRisk += atRisk
  totals.declaredLost += declared
  totals.lost += Math.max(0, unseen.length - atRisk - declared)
  totals.overdeclared += Math.max(0, declared - (unseen.length - atRisk))
}

/** The rest of a record whose beginning went with the process that had read it. */
function isRestOf(text: string, from: number, payloads: readonly string[], isAtRisk: (number: number) => boolean): boolean {
  for (let number = from; number < payloads.length && isAtRisk(number); number++)
    if (payloads[number]?.endsWith(text)) return true
  return false
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
