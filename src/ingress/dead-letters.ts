import type { Claim, Log, Place } from '../log/log.ts'
import { readBatchHeader } from '../record/batch-header.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import type { EncodedBatch } from '../record/record.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { type SourceId, sourceKey } from '../runtime/names.ts'

export const DEAD_LETTER_TOPIC = 'headrace.dead'
/** Headers of a dead letter's records; all texts. The value is a piece of the batch's bytes as they came. */
export const DEAD_HEADER = {
  source: 'dead_source',
  topic: 'dead_topic',
  partition: 'dead_partition',
  sequence: 'dead_sequence',
  count: 'dead_count',
  /** `<number>/<pieces>`, from 1 on. */
  piece: 'dead_piece',
  reason: 'dead_reason',
} as const

/** Under every broker's default for a message, so that what was refused for its size passes in pieces. */
const PIECE_BYTES_MAX = 512 * 1024
/** What a letter's batch has beside its piece: names, numbers, and the reason as the log gave it. */
const ROOM_FOR_HEADERS_BYTES = 4 * 1024
/** How often one piece is tried before the batch goes on waiting in its own partition. */
const TRIES_MAX = 5
const TRY_AGAIN_AFTER_MS = 200
/** One bad broker, or a limit that somebody lowered, must not empty a fleet into the dead letters. */
const LETTERS_PER_HOUR_MAX = 20
const HOUR_MS = 3_600_000

export interface DeadLetter {
  /** Where the batch should have gone. */
  readonly place: Place
  /** `<gateway>/<source>`. */
  readonly source: string
  readonly batch: EncodedBatch
  readonly reason: string
}

export interface DeadLettersDeps {
  readonly log: Log
  /** Who writes: dead letters are a source of the core's own. Two cores of one log have two names. */
  readonly writer: SourceId
  readonly clock: Clock
  readonly logger: Logger
  readonly alarms: Alarms
  /** Ends every wait. */
  readonly signal: AbortSignal
}

/** Keeps batches that the log refused for good, whole, in the topic `headrace.dead`, one after the other. */
export class DeadLetters {
  readonly #deps: DeadLettersDeps
  readonly #records = new BatchWriter()
  #claim: Claim | undefined
  /** When the letters of the last hour were put, ms. */
  #putAtMs: number[] = []
  /** Sources of which a batch is held back. */
  readonly #held = new Set<string>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: DeadLettersDeps) {
    this.#deps = deps
  }

  /** True when the batch lies in the log whole; false where that could not be done now. A letter may be there twice after a lost answer. */
  put(letter: DeadLetter): Promise<boolean> {
    const turn = this.#turn.then(() => this.#put(letter))
    this.#turn = turn
    return turn
  }

  /** What was refused of the source is out of the way, whichever way it went. */
  passed(source: string): void {
    if (this.#held.delete(source) && this.#held.size === 0) this.#deps.alarms.clear('dead_letters_held')
  }

  async #put(letter: DeadLetter): Promise<boolean> {
    const { clock, logger, alarms } = this.#deps
    const now = clock.monotonicMs()
    this.#putAtMs = this.#putAtMs.filter(atMs => now - atMs < HOUR_MS)
    if (this.#putAtMs.length >= LETTERS_PER_HOUR_MAX) {
      this.#held.add(letter.source)
      alarms.raise('dead_letters_held', {
        message: `The log refused ${LETTERS_PER_HOUR_MAX} batches within an hour; further ones are held back. The last one: ${letter.reason}`,
        advice: 'Look at the broker and the limits of its topics: this many bad batches are seldom the fault of gateways.',
      })
      return false
    }
    try {
      await this.#write(letter)
    } catch (cause) {
      logger.warn({ source: letter.source, reason: messageOf(cause) }, 'a dead letter cannot be written now')
      return false
    }
    this.#putAtMs.push(now)
    this.passed(letter.source)
    alarms.raise('dead_letter', {
      source: letter.source,
      message: `The log refused numbers ${letter.batch.sequence}…${letter.batch.sequence + letter.batch.count - 1} for good: ${letter.reason}`,
      advice: 'The batch lies whole in headrace.dead, a placeholder has its place. See `headrace dead show`.',
    })
    return true
  }

  async #write({ place, source, batch, reason }: DeadLetter): Promise<void> {
    const { log, writer } = this.#deps
    this.#claim ??= await log.claim(writer, DEAD_LETTER_TOPIC)
    const pieceBytes = Math.min(
      PIECE_BYTES_MAX,
      ((await log.batchBytesMax(DEAD_LETTER_TOPIC)) ?? PIECE_BYTES_MAX) - ROOM_FOR_HEADERS_BYTES,
    )
    if (pieceBytes <= 0)
      throw new Error(`${DEAD_LETTER_TOPIC} takes no batch that could hold anything: raise its max.message.bytes`)
    const pieces = Math.ceil(batch.bytes.length / pieceBytes)
    for (let piece = 0; piece < pieces; piece++) {
      const headers = {
        [DEAD_HEADER.source]: source,
        [DEAD_HEADER.topic]: place.topic,
        [DEAD_HEADER.partition]: place.partition,
        [DEAD_HEADER.sequence]: batch.sequence,
        [DEAD_HEADER.count]: batch.count,
        [DEAD_HEADER.piece]: `${piece + 1}/${pieces}`,
        [DEAD_HEADER.reason]: reason,
      }
      const value = batch.bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)
      await this.#writePiece(this.#claim, value, headers)
    }
  }

  /** Its last batch says whether it is there, whatever the answer was, and even where two cores write under one name. */
  async #writePiece(claim: Claim, value: Buffer, headers: Record<string, string | number>): Promise<void> {
    const { log, clock, writer, signal } = this.#deps
    const extra = Object.entries(headers).map(([key, text]) => ({ key, value: Buffer.from(String(text)) }))
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const { next, proof } = await log.end(claim)
      this.#records.begin({
        key: sourceKey(writer),
        producerId: claim.producerId,
        epoch: claim.epoch,
        epochStart: claim.epochStart,
        sequence: next,
      })
      this.#records.append(clock.wallMs(), value, 0, value.length, extra)
      const batch = this.#records.finish('none')
      await log.append(claim, batch, proof)
      const last = await log.lastBatch(claim)
      if (last?.sequence === batch.sequence && last.crc === readBatchHeader(batch.bytes).crc) return
      await pause(clock, TRY_AGAIN_AFTER_MS, signal)
    }
    throw new Error(`${claim.topic}[${claim.partition}] did not take it in ${TRIES_MAX} tries`)
  }
}
