import type { Claim, Log } from '../log/log.ts'
import { readRange } from '../log/read-range.ts'
import { decodeBatch } from '../record/batch-reader.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { HEADER, type StoredRecord } from '../record/record.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { NAME_PATTERN, parseSourceKey, type SourceId, sourceKey } from '../runtime/names.ts'
import { type DeadLetter, recordsOfLetter } from './dead-letters.ts'

/** What the records of dead letters are, behind the name of their source. */
export const RETRIED_SUFFIX = '-retried'
/** Headers of a record that was retried, all texts, before those that it had itself: where it should have been. */
export const RETRIED_HEADER = {
  source: 'retried_source',
  topic: 'retried_topic',
  partition: 'retried_partition',
  sequence: 'retried_sequence',
} as const

/** What one batch refused may pass in smaller ones. */
const BATCH_BYTES_MAX = 256 * 1024
const FETCH_BYTES = 4 * 2 ** 20
/** Another core may retry at the same moment, or an answer may be lost: each attempt looks anew at what is there. */
const ATTEMPTS_MAX = 10

export interface Retried {
  readonly letter: string
  /** The source under which the records lie now. */
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** Records that were appended now, and those that had been before. */
  readonly appended: number
  readonly already: number
}

/**
 * Appends the records of a dead letter to a source of the core's own, `<gateway>/<source>-retried`, in the same topic: their numbers are taken by a
 * placeholder, and no number is used again. What lies there is not appended once more, however often it is asked for.
 */
export async function retryDeadLetter(log: Log, letter: DeadLetter, batch: Buffer): Promise<Retried> {
  const { records, unreadable } = recordsOfLetter(letter, batch)
  if (unreadable !== null)
    throw new HeadraceError('batch_malformed', `${letter.letter} cannot be retried: ${unreadable}`, {
      advice: 'Its bytes lie in headrace.dead as they came; nothing else can be made of them.',
    })
  const claim = await log.claim(retriedSource(letter), letter.topic)
  const wanted = records.filter(({ value }) => value !== null)
  let already: number | undefined
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const end = await log.end(claim)
    const there = await retriedBefore(log, claim, { letter, from: end.first, to: end.next })
    already ??= there.size
    const rest = wanted.filter(record => !there.has(record.sequence))
    const written = await appendAll(log, claim, { letter, records: rest, end })
    if (written.records < rest.length && written.mayPass) continue
    if (written.records < rest.length) throw refused(letter, written.detail)
    const { topic, partition, source } = claim
    return { letter: letter.letter, source: sourceKey(source), topic, partition, appended: wanted.length - already, already }
  }
  throw new HeadraceError('log_unavailable', `${letter.letter} could not be retried in ${ATTEMPTS_MAX} attempts`)
}

function retriedSource({ letter, source }: DeadLetter): SourceId {
  const id = parseSourceKey(source)
  const name = `${id?.source}${RETRIED_SUFFIX}`
  if (id && NAME_PATTERN.test(name)) return { gateway: id.gateway, source: name }
  throw new HeadraceError('config_invalid', `${letter} cannot be retried: "${name}" is too long for a name`)
}

/** Numbers of the letter that lie in the partition. A partition with records of somebody else is left alone. */
async function retriedBefore(
  log: Log,
  claim: Claim,
  { letter, from, to }: { letter: DeadLetter; from: number; to: number },
): Promise<Set<number>> {
  const there = new Set<number>()
  const range = { topic: claim.topic, partition: claim.partition, from, to }
  for await (const { batches } of readRange(log, [range], { maxBytes: FETCH_BYTES })) {
    for (const { headers } of batches.flatMap(bytes => decodeBatch(bytes))) {
      const text = headers.find(({ key }) => key === RETRIED_HEADER.sequence)?.value.toString('utf8')
      if (text === undefined)
        throw new HeadraceError(
          'topic_refused',
          `${sourceKey(claim.source)} is a source of a gateway: nothing is written to it`,
          {
            advice: `Give that source another name: those that end in ${RETRIED_SUFFIX} are for retried records.`,
          },
        )
      const sequence = Number(text)
      if (sequence >= letter.sequence && sequence < letter.sequence + letter.count) there.add(sequence)
    }
  }
  return there
}

async function appendAll(
  log: Log,
  claim: Claim,
  { letter, records, end }: { letter: DeadLetter; records: readonly StoredRecord[]; end: Awaited<ReturnType<Log['end']>> },
): Promise<{ records: number; mayPass: boolean; detail: string }> {
  const { producerId, epoch, epochStart } = claim
  const writer = new BatchWriter()
  let { next } = end
  for (let at = 0; at < records.length; ) {
    writer.begin({ key: sourceKey(claim.source), producerId, epoch, epochStart, sequence: next })
    for (let record = records[at]; record && (writer.count === 0 || writer.sizeBytes < BATCH_BYTES_MAX); ) {
      const value = record.value ?? Buffer.alloc(0)
      const own = record.headers.filter(({ key }) => key !== HEADER.seq)
      writer.append(record.timeMs, value, 0, value.length, [...originOf(letter, record), ...own])
      record = records[at + writer.count]
    }
    const { count } = writer
    const answer = await log.append(claim, writer.finish('none'), end.proof)
    const isThere = (answer.outcome === 'appended' || answer.outcome === 'repeated') && answer.offset === next
    if (!isThere) {
      const detail = 'detail' in answer ? answer.detail : `it was stored at ${answer.offset}, not at ${next}`
      const isFinal = answer.outcome === 'refused' && answer.reason !== 'gap' && answer.reason !== 'proof_void'
      return { records: at, mayPass: !isFinal, detail }
    }
    next += count
    at += count
  }
  return { records: records.length, mayPass: true, detail: '' }
}

function originOf({ source, topic, partition }: DeadLetter, { sequence }: StoredRecord) {
  const texts = {
    [RETRIED_HEADER.source]: source,
    [RETRIED_HEADER.topic]: topic,
    [RETRIED_HEADER.partition]: partition,
    [RETRIED_HEADER.sequence]: sequence,
  }
  return Object.entries(texts).map(([key, text]) => ({ key, value: Buffer.from(String(text)) }))
}

function refused({ letter }: DeadLetter, detail: string): HeadraceError {
  return new HeadraceError('log_unavailable', `the log refused ${letter} again: ${detail}`, {
    advice: 'Look at the limits of the topic and at the broker, then retry: what was appended is not appended again.',
  })
}
