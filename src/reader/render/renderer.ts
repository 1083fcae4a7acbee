import { isUtf8 } from 'node:buffer'
import { valueAt } from '../../analyser/field-path.ts'
import { type RecordView, readHeaders } from '../../record/batch-reader.ts'
import { HEADER } from '../../record/record.ts'
import { DATE_MS_MAX } from '../../runtime/clock.ts'
import type { SourceId } from '../../runtime/names.ts'
import { parseExactly, WrittenNumber } from '../../runtime/raw-json.ts'
import { Bytes, copyBytes } from './copy-bytes.ts'
import { LinePrefix } from './line-prefix.ts'
import type { LineWriter } from './line-writer.ts'

/** What is known of a source's values when they are handed to a command. */
export interface ValueShape {
  /** Whether values are JSON, as `decode: json`, `csv`, `nmea` and the device protocols give them; otherwise they are bytes. */
  readonly json: boolean
  /** They are as somebody sent them, and were never decoded: most likely JSON. */
  readonly unchecked?: true
  /** The fields of its records, in the order of `decode` or of the device's registers; empty where they are not known. */
  readonly columns: readonly string[]
}

/** A record that cannot be written in the form that is asked for. */
export class Unrenderable extends Error {
  /** Goes after "the record …". */
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

/** Writes records of one source as a command wants to read them. */
export interface Renderer {
  /** Written once, before everything else; empty for most. */
  readonly head: string
  /** Throws {@link Unrenderable}, and has written nothing, where the record cannot be written so. */
  record(view: RecordView, into: LineWriter): void
}

const QUOTE = 34
const COLON = 58
const NEWLINE = 10
const BRACE_OPEN = 123
const BRACE_CLOSE = 125

/** Whether the record carries `decode_error`: then its value is the bytes as they came, whatever the source's shape. */
function isUndecoded(view: RecordView): boolean {
  return view.headerCount > 1 && readHeaders(view).some(header => header.key === HEADER.decodeError)
}

/**
 * NDJSON: `{"gateway","source","seq","time_ms","value"}`, with `value_base64` where the bytes are not UTF-8.
 * JSON values are copied as they are: they were checked on the gateway, and no number may lose digits on the way.
 */
export function ndjsonRenderer(source: SourceId, shape: ValueShape): Renderer {
  const prefix = new LinePrefix(`{"gateway":"${source.gateway}","source":"${source.source}","seq":`)
  const batchBytes = new BatchBytes()
  return {
    head: '',
    record(view, into) {
      const { bytes, valueFrom, valueTo } = view
      const decoded = shape.json && !isUndecoded(view)
      const looksWhole = decoded && isObjectOnOneLine(bytes, valueFrom, valueTo, batchBytes)
      const asIs = looksWhole && (shape.unchecked !== true || isJson(bytes.subarray(valueFrom, valueTo)))
      const value = asIs ? undefined : textValue(bytes.subarray(valueFrom, valueTo), decoded)
      const before = prefix.of(view.sequence, view.timeMs)
      const chunk = into.reserve(before.buffer.length + (value === undefined ? valueTo - valueFrom : value.length * 3) + 4)
      let at = copyBytes(chunk, into.at, before, 0, before.buffer.length)
      if (value === undefined) {
        chunk.buffer[at++] = QUOTE
        chunk.buffer[at++] = COLON
        at = copyBytes(chunk, at, batchBytes.of(bytes), valueFrom, valueTo)
      } else at += chunk.buffer.write(value, at, 'utf8')
      chunk.buffer[at++] = BRACE_CLOSE
      chunk.buffer[at++] = NEWLINE
      into.advance(at)
    },
  }
}

/** A batch's bytes, and where the next line break in them is: looked for once for many records, most of which have none. */
class BatchBytes {
  #bytes = new Bytes(Buffer.alloc(0))
  #nextBreak = -1

  of(buffer: Buffer): Bytes {
    if (buffer !== this.#bytes.buffer) {
      this.#bytes = new Bytes(buffer)
      this.#nextBreak = -1
    }
    return this.#bytes
  }

  hasBreak(buffer: Buffer, from: number, to: number): boolean {
    this.of(buffer)
    if (this.#nextBreak < from) {
      const found = buffer.indexOf(NEWLINE, from)
      this.#nextBreak = found < 0 ? buffer.length : found
    }
    return this.#nextBreak < to
  }
}

function isJson(value: Buffer): boolean {
  if (!isUtf8(value)) return false
  try {
    JSON.parse(value.toString('utf8'))
    return true
  } catch {
    return false
  }
}

/** Whether it begins and ends as a JSON object on one line does: what was decoded on the gateway is one. Anything else is looked at closely. */
function isObjectOnOneLine(bytes: Buffer, from: number, to: number, batchBytes: BatchBytes): boolean {
  return bytes[from] === BRACE_OPEN && bytes[to - 1] === BRACE_CLOSE && !batchBytes.hasBreak(bytes, from, to)
}

/** What follows `"value` in a line: `":"text"` or `_base64":"…"`; JSON over several lines is put on one: where one ends, which is within no text of JSON, a space says the same. */
function textValue(value: Buffer, json: boolean): string {
  if (!isUtf8(value)) return `_base64":"${value.toString('base64')}"`
  const text = value.toString('utf8')
  return `":${json && isJson(value) ? text.replaceAll(/[\r\n]/g, ' ') : JSON.stringify(text)}`
}

function csvField(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'object' && !(value instanceof WrittenNumber) ? JSON.stringify(value) : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Columns behind gateway, source, seq and time. */
export interface Columns {
  /** Fields, each in one of its own. */
  readonly names: readonly string[]
  /** Whether `value` comes last: the whole of a record whose fields are not known, which would be lost otherwise. */
  readonly hasWhole: boolean
}

const CSV_HEAD: readonly string[] = ['gateway', 'source', 'seq', 'time']
const WHOLE = 'value'

/** No two columns have one name: a derived stream has a `source` in its records, some devices a `time`. */
function csvHead({ names, hasWhole }: Columns): string {
  const taken = hasWhole ? [...CSV_HEAD, WHOLE] : CSV_HEAD
  const own = names.map(name => csvField(taken.includes(name) ? `value.${name}` : name))
  return [...CSV_HEAD, ...own, ...(hasWhole ? [WHOLE] : [])].join(',')
}

/** CSV (RFC 4180) in UTF-8: gateway, source, seq, time (ISO 8601), then the columns. */
export function csvRenderer(source: SourceId, shape: ValueShape, columns: Columns): Renderer {
  const { names, hasWhole } = columns
  const isWhole = hasWhole && shape.columns.length === 0
  const prefix = `${source.gateway},${source.source},`
  return {
    head: `${csvHead(columns)}\n`,
    record(view, into) {
      const raw = view.bytes.subarray(view.valueFrom, view.valueTo)
      if (isWhole && !isUtf8(raw)) throw new Unrenderable('holds bytes that are no UTF-8')
      if (Math.abs(view.timeMs) > DATE_MS_MAX) throw new Unrenderable(`has a time that no calendar has (${view.timeMs} ms)`)
      const fields = names.length > 0 && shape.json && !isUndecoded(view) ? parseObject(raw) : undefined
      const cells = names.map(name => csvField(fields && valueAt(fields, name)))
      if (hasWhole) cells.push(isWhole ? csvField(raw.toString('utf8')) : '')
      into.text(`${prefix}${view.sequence},${new Date(view.timeMs).toISOString()},${cells.join(',')}\n`)
    },
  }
}

function parseObject(raw: Buffer): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = parseExactly(raw.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The values alone, one a line. A value that holds a line break cannot be told from two: it is refused. */
export function rawRenderer(): Renderer {
  const batchBytes = new BatchBytes()
  return {
    head: '',
    record({ bytes, valueFrom, valueTo }, into) {
      if (batchBytes.hasBreak(bytes, valueFrom, valueTo)) throw new Unrenderable('holds a line break')
      const chunk = into.reserve(valueTo - valueFrom + 1)
      const end = copyBytes(chunk, into.at, batchBytes.of(bytes), valueFrom, valueTo)
      chunk.buffer[end] = NEWLINE
      into.advance(end + 1)
    },
  }
}
