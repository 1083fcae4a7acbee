import { createHash, type Hash } from 'node:crypto'
import type { Log } from '../../log/log.ts'
import { readRange } from '../../log/read-range.ts'
import { type RecordView, readHeaders, visitRecords } from '../../record/batch-reader.ts'
import type { RecordHeader } from '../../record/record.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Range } from '../ledger.ts'
import { LineWriter } from '../render/line-writer.ts'
import { type Renderer, Unrenderable } from '../render/renderer.ts'
import type { Sink } from './sinks.ts'

/** Bytes of batches that one fetch brings; a run holds about two of them. */
const FETCH_BYTES = 2 * 2 ** 20
/** A chunk is handed on when it holds this much; the rest of it waits for more. */
const HAND_OVER_BYTES = 128 * 1024
/** Whatever else the process does has its turn after so many bytes of batches: a run must not hold up the ingress beside it. */
const TURN_BYTES = 512 * 1024

export interface SourceCounts {
  readonly records: number
  readonly placeholders: number
  readonly sha256: string
}

/** A record that was not handed over, as it lies in the log. */
export interface SkippedRecord {
  readonly source: string
  readonly sequence: number
  readonly timeMs: number
  readonly value: Buffer
  readonly headers: readonly RecordHeader[]
  readonly reason: string
}

export interface FeedOptions {
  readonly log: Log
  readonly ranges: readonly Range[]
  readonly renderers: ReadonlyMap<string, Renderer>
  /** Bad records by source and sequence, with why: they are left out. */
  readonly poison: ReadonlyMap<string, ReadonlyMap<number, string>>
  /** What becomes of a record that cannot be written as the job wants it. */
  readonly unrenderable: 'stop' | 'skip'
  /** Records left out, at the most; more fail the run. */
  readonly skippedMax: number
  readonly signal: AbortSignal
  readonly onProgress: (records: number) => void
}

export interface Fed {
  readonly counts: Map<string, SourceCounts>
  readonly skipped: readonly SkippedRecord[]
}

/** One source on its way to the command. */
interface Lane {
  readonly range: Range
  readonly renderer: Renderer
  readonly poison: ReadonlyMap<number, string> | undefined
  readonly hash: Hash
  records: number
  placeholders: number
}

/** Brings ranges of the log to a sink, as the renderers write them: in order within each source, sources side by side. */
export async function feed(options: FeedOptions, sink: Sink): Promise<Fed> {
  const { log, ranges, signal, onProgress } = options
  const writer = new LineWriter()
  const skipped: SkippedRecord[] = []
  const lanes = new Map(ranges.map(range => [`${range.topic}\0${range.partition}`, laneOf(range, options)]))
  let sinceTurn = 0
  for await (const { place, from, to, batches } of readRange(log, ranges, { maxBytes: FETCH_BYTES, signal })) {
    const lane = lanes.get(`${place.topic}\0${place.partition}`)
    if (!lane) throw new HeadraceError('internal', `${place.topic}[${place.partition}] was not asked for`)
    const { source } = lane.range
    writer.hashInto(lane.hash)
    for (const batch of batches) {
      const before = lane.records
      visitRecords(batch, view => {
        if (view.sequence >= from && view.sequence < to) render(view, lane, writer, options, skipped)
      })
      onProgress(lane.records - before)
      const chunks = writer.take(HAND_OVER_BYTES)
      if (chunks.length > 0) await sink.write(source, chunks, writer.giveBack)
      sinceTurn += batch.length
      if (sinceTurn >= TURN_BYTES) {
        sinceTurn = 0
        await new Promise(setImmediate)
      }
    }
    if (sink.keepsSourcesApart) await sink.write(source, writer.take(0), writer.giveBack)
  }
  writer.hashInto(undefined)
  const [last] = ranges
  if (last) await sink.write(last.source, writer.take(0), writer.giveBack)
  await sink.end()
  return { counts: new Map([...lanes.values()].map(lane => [lane.range.source, countsOf(lane)])), skipped }
}

function laneOf(range: Range, { renderers, poison }: FeedOptions): Lane {
  const renderer = renderers.get(range.source)
  if (!renderer) throw new HeadraceError('internal', `${range.source} has no renderer`)
  return { range, renderer, poison: poison.get(range.source), hash: createHash('sha256'), records: 0, placeholders: 0 }
}

function countsOf({ records, placeholders, hash }: Lane): SourceCounts {
  return { records, placeholders, sha256: hash.digest('hex') }
}

function render(view: RecordView, lane: Lane, writer: LineWriter, options: FeedOptions, skipped: SkippedRecord[]): void {
  if (view.valueFrom < 0) {
    lane.placeholders += 1
    return
  }
  const known = lane.poison?.get(view.sequence)
  if (known === undefined) {
    try {
      lane.renderer.record(view, writer)
      lane.records += 1
      return
    } catch (error) {
      if (!(error instanceof Unrenderable)) throw error
      if (options.unrenderable === 'stop') throw refusal(error, lane.range.source, view.sequence)
      skip(view, lane.range.source, error.reason, options, skipped)
      return
    }
  }
  skip(view, lane.range.source, known, options, skipped)
}

function skip(view: RecordView, source: string, reason: string, options: FeedOptions, skipped: SkippedRecord[]): void {
  if (skipped.length >= options.skippedMax) {
    throw new HeadraceError('limit_exceeded', `more than ${options.skippedMax} records are bad: the run is stopped`, {
      advice: 'This many bad records are seldom the fault of the records: look at `input` and at the command.',
    })
  }
  skipped.push({
    source,
    sequence: view.sequence,
    timeMs: view.timeMs,
    value: Buffer.from(view.bytes.subarray(view.valueFrom, view.valueTo)),
    headers: readHeaders(view),
    reason,
  })
}

function refusal(error: Unrenderable, source: string, sequence: number): HeadraceError {
  return new HeadraceError('command_failed', `${source}: the record with sequence ${sequence} ${error.reason}`, {
    advice: 'Use input: ndjson, which can hold any bytes, or poison: dead_letter, which sets such records aside.',
  })
}
