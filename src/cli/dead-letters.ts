import { DEAD_HEADER, DEAD_LETTER_TOPIC } from '../ingress/dead-letters.ts'
import type { Claim, Log } from '../log/log.ts'
import { readRange } from '../log/read-range.ts'
import { decodeBatch, readHeaders, visitRecords } from '../record/batch-reader.ts'
import type { StoredRecord } from '../record/record.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

const FETCH_BYTES = 4 * 2 ** 20
/** Letters that are listed, the newest; cores lay down twenty an hour at the most. */
const LETTERS_SHOWN_MAX = 1_000
/** More bytes than this no batch has that a gateway sends, by far. */
const LETTER_BYTES_MAX = 16 * 2 ** 20

/** A batch that the log refused for good, as `headrace dead list` shows it. */
export interface DeadLetter {
  /** `<gateway>/<source>@<sequence>`: no number is used again, so it is the letter's for ever. */
  readonly letter: string
  readonly source: string
  /** Where it should have gone. */
  readonly topic: string
  readonly partition: number
  readonly sequence: number
  readonly count: number
  readonly bytes: number
  readonly reason: string
  /** When it was laid down, ISO 8601. */
  readonly at: string
}

interface Piece extends DeadLetter {
  readonly number: number
  readonly pieces: number
  readonly value: Buffer
}

/** Puts pieces together: what a core did not finish, or wrote twice after a lost answer, begins again at its first piece. */
class Pieces {
  readonly #open = new Map<string, Piece[]>()

  /** The whole letter with its last piece. */
  add(piece: Piece): { letter: DeadLetter; batch: Buffer } | undefined {
    const before = piece.number === 1 ? [] : (this.#open.get(piece.letter) ?? [])
    const bytes = before.reduce((sum, { value }) => sum + value.length, piece.value.length)
    if (before.length !== piece.number - 1 || bytes > LETTER_BYTES_MAX) return undefined
    const all = [...before, piece]
    if (piece.number < piece.pieces) {
      this.#open.set(piece.letter, all)
      return undefined
    }
    this.#open.delete(piece.letter)
    const { letter, source, topic, partition, sequence, count, reason, at } = piece
    const whole = { letter, source, topic, partition, sequence, count, bytes, reason, at }
    return { letter: whole, batch: Buffer.concat(all.map(({ value }) => value)) }
  }
}

/** Every dead letter of the log, oldest first; one that lies there twice comes twice. */
async function* lettersOf(log: Log): AsyncGenerator<{ letter: DeadLetter; batch: Buffer }> {
  const claims = (await log.claims()).filter(claim => claim.topic === DEAD_LETTER_TOPIC)
  for (const claim of claims) yield* lettersIn(log, claim)
}

async function* lettersIn(log: Log, claim: Claim): AsyncGenerator<{ letter: DeadLetter; batch: Buffer }> {
  const { first, next } = await log.end(claim)
  const pieces = new Pieces()
  const range = { topic: claim.topic, partition: claim.partition, from: first, to: next }
  for await (const { batches } of readRange(log, [range], { maxBytes: FETCH_BYTES })) {
    for (const record of batches.flatMap(batch => decodeBatch(batch))) {
      if (record.sequence < first || record.sequence >= next) continue
      const piece = pieceOf(record)
      const whole = piece && pieces.add(piece)
      if (whole) yield whole
    }
  }
}

function pieceOf({ headers, value, timeMs }: StoredRecord): Piece | undefined {
  const texts = new Map(headers.map(header => [header.key, header.value.toString('utf8')]))
  const text = (name: keyof typeof DEAD_HEADER) => texts.get(DEAD_HEADER[name]) ?? ''
  const [number, pieces] = text('piece').split('/').map(Number)
  if (!value || !number || !pieces) return undefined
  const [source, sequence] = [text('source'), Number(text('sequence'))]
  return {
    letter: `${source}@${sequence}`,
    source,
    topic: text('topic'),
    partition: Number(text('partition')),
    sequence,
    count: Number(text('count')),
    bytes: value.length,
    reason: text('reason'),
    at: new Date(timeMs).toISOString(),
    number,
    pieces,
    value,
  }
}

/** The newest letters, oldest first, each once. */
export async function listDeadLetters(log: Log): Promise<DeadLetter[]> {
  const found = new Map<string, DeadLetter>()
  for await (const { letter } of lettersOf(log)) {
    found.delete(letter.letter)
    found.set(letter.letter, letter)
    const [oldest] = found.keys()
    if (found.size > LETTERS_SHOWN_MAX && oldest !== undefined) found.delete(oldest)
  }
  return [...found.values()]
}

/** One letter with its batch, as it came. Rejects with `not_found`. */
export async function findDeadLetter(log: Log, name: string): Promise<{ letter: DeadLetter; batch: Buffer }> {
  let found: { letter: DeadLetter; batch: Buffer } | undefined
  for await (const each of lettersOf(log)) if (each.letter.letter === name) found = each
  if (found) return found
  throw new HeadraceError('not_found', `there is no dead letter "${name}"`, {
    advice: 'Names are <gateway>/<source>@<sequence>, as "headrace dead list" shows them.',
  })
}

/** Calls `take` for each record of a letter, with the number that it had. Throws `batch_malformed` and its like where the batch cannot be read. */
export function visitLetter(letter: DeadLetter, batch: Buffer, take: (record: StoredRecord) => void): void {
  visitRecords(batch, view => {
    const value = view.valueFrom < 0 ? null : Buffer.from(view.bytes.subarray(view.valueFrom, view.valueTo))
    // A batch has the offset 0 until a log gives it another.
    const sequence = letter.sequence + view.sequence
    take({ sequence, timeMs: view.timeMs, key: letter.source, value, headers: readHeaders(view) })
  })
}

/** The records of a letter, or why they cannot be read. */
export function recordsOfLetter(letter: DeadLetter, batch: Buffer): { records: StoredRecord[]; unreadable: string | null } {
  const records: StoredRecord[] = []
  try {
    visitLetter(letter, batch, record => records.push(record))
    return { records, unreadable: null }
  } catch (error) {
    if (error instanceof HeadraceError) return { records: [], unreadable: messageOf(error) }
    throw error
  }
}
