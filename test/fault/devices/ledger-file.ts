import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { SeededRandom } from '../../support/random.ts'

/*
  A ledger: one line for each record that a device gave, on disk before the record's first byte goes into the port.
    <when, ms since 1970> <payload>
  A payload is the text `<source> <number> <hash> <filler>`; it follows from seed, source and number, and holds no line end.
*/

/** One record that a device gave. Its place in the ledger is its number. */
export interface LedgerEntry {
  readonly atMs: number
  readonly payload: string
}

const HASH_DIGITS = 16
const FILLER_CHARACTERS_MAX = 120

/** The record that a device gives as its `number`th. */
export function payloadOf(seed: number, source: string, number: number): string {
  const hash = createHash('sha256').update(`${seed} ${source} ${number}`).digest('hex')
  const filler = new SeededRandom(Number.parseInt(hash.slice(0, 8), 16)).between(0, FILLER_CHARACTERS_MAX)
  return `${source} ${number} ${hash.slice(0, HASH_DIGITS)} ${'.'.repeat(filler)}`
}

/** A record of so many bytes that do not compress: random letters. */
export function heavyPayload(seed: number, source: string, number: number, bytes: number): string {
  const random = new SeededRandom(seed)
  const letters = Array.from({ length: bytes }, () => String.fromCharCode(random.between(33, 127))).join('')
  return `${source} ${number} ${letters}`
}

export function readLedger(path: string): LedgerEntry[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const at = line.indexOf(' ')
      return { atMs: Number(line.slice(0, at)), payload: line.slice(at + 1) }
    })
}

/** Writes a ledger. */
export class LedgerWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  /** On disk when it returns. */
  write(payloads: readonly string[]): void {
    const atMs = Date.now()
    writeSync(this.#file, payloads.map(payload => `${atMs} ${payload}\n`).join(''))
    fsyncSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}
