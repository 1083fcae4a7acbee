import { parseGap } from '../../src/record/gap.ts'
import { type Gap, HEADER, type StoredRecord } from '../../src/record/record.ts'

/**
 * What became of one record of a device, as the device's side knows it.
 *
 *   TAKEN ──acknowledged as on disk──► STORED ──its disk lost, by no fault of the gateway's──► RUINED
 *     └──the process died first──► UNSURE         DROPPED: the buffer said at once that it has no room
 *
 * STORED has to be in the log, or said in a gap; RUINED has to be said, but nobody knows the number; UNSURE and DROPPED may be either.
 */
type Fate = 'taken' | 'stored' | 'ruined' | 'unsure' | 'dropped'

/** Gaps for these reasons count records; others count numbers, or what nobody could count. */
const EXACT: readonly string[] = ['buffer_full', 'expired']

/** The records of one source, from the device's side; and what is wrong with what lies in the log. */
export class Ledger {
  readonly #source: string
  readonly #fates: Fate[] = []

  constructor(source: string) {
    this.#source = source
  }

  get count(): number {
    return this.#fates.length
  }

  add(fate: 'taken' | 'dropped'): number {
    return this.#fates.push(fate) - 1
  }

  /** All records below `count` that were taken are on disk. */
  stored(count: number): void {
    for (let id = count - 1; id >= 0 && this.#fates[id] !== 'stored'; id--)
      if (this.#fates[id] === 'taken') this.#fates[id] = 'stored'
  }

  died(): void {
    this.#turn('taken', 'unsure')
  }

  /** The database is gone, and with it what only it had. */
  diskLost(kind: 'ruined' | 'unsure'): void {
    this.#turn('taken', 'unsure')
    this.#turn('stored', kind)
  }

  /** What is wrong with the partition: nothing, or a few sentences. */
  findings(records: readonly StoredRecord[]): string[] {
    const found: string[] = []
    let before = -1
    let gaps: Gap[] = []
    for (const [offset, record] of records.entries()) {
      const seq = record.headers.find(({ key }) => key === HEADER.seq)?.value.toString()
      if (record.sequence !== offset || (seq !== undefined && seq !== String(offset))) {
        found.push(`offset ${offset} holds number ${seq ?? record.sequence}`)
      }
      const header = record.headers.find(({ key }) => key === HEADER.gap)
      const gap = header && parseGap(header.value)
      if (gap) gaps.push(gap)
      if (record.value === null) continue
      const id = this.#idOf(record.value)
      if (id === undefined) found.push(`offset ${offset} holds what no device said`)
      else if (id <= before) found.push(`offset ${offset} holds record ${id}, after record ${before}`)
      else {
        found.push(...this.#between(before, id, gaps))
        before = id
      }
      gaps = []
    }
    found.push(...this.#between(before, this.#fates.length, gaps))
    return found.map(finding => `${this.#source}: ${finding}`)
  }

  /** What is missing between two records, and what was said of it there. */
  #between(before: number, after: number, gaps: readonly Gap[]): string[] {
    const missing = this.#fates.slice(before + 1, after)
    const lost = missing.filter(fate => fate === 'stored').length
    const silent = gaps.length === 0 && missing.some(fate => fate === 'stored' || fate === 'ruined')
    if (silent) return [`records between ${before} and ${after} are missing without a word`]
    if (!gaps.every(({ reason }) => EXACT.includes(reason))) return []
    const said = gaps.reduce((sum, { records }) => sum + records, 0)
    return said < lost || said > missing.length
      ? [`${said} records are said to be missing between ${before} and ${after}, ${lost} to ${missing.length} are`]
      : []
  }

  #idOf(value: Buffer): number | undefined {
    const [source, id] = value.subarray(0, 40).toString('latin1').split(/[#:]/)
    const number = Number(id)
    return source === this.#source && number < this.#fates.length ? number : undefined
  }

  #turn(from: Fate, to: Fate): void {
    for (const [id, fate] of this.#fates.entries()) if (fate === from) this.#fates[id] = to
  }
}
