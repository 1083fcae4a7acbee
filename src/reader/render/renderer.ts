import { isUtf8 } from 'node:buffer'
import { type RecordView, readHeaders } from '../../record/batch-reader.ts'
import { HEADER } from '../../record/record.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { SourceId } from '../../runtime/names.ts'
import type { LineWriter } from './line-writer.ts'

/** What is known of a source's values when they are handed to a command. */
export interface ValueShape {
  /** Whether values are JSON, as `decode: json`, `csv`, `nmea` and the device protocols give them; otherwise they are bytes. */
  readonly json: boolean
  /** Columns that `decode` names, in its order; empty where it names none. */
  readonly columns: readonly string[]
}

/** Writes records of one source as a command wants to read them. */
export interface Renderer {
  /** Written once, before everything else; empty for most. */
  readonly head: string
  record(view: RecordView, into: LineWriter): void
}

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
  const prefix = Buffer.from(`{"gateway":"${source.gateway}","source":"${source.source}","seq":`)
  return {
    head: '',
    record(view, into) {
      const { bytes, valueFrom, valueTo } = view
      const middle = `${view.sequence},"time_ms":${view.timeMs},"value`
      const asIs = shape.json && looksLikeObject(bytes, valueFrom, valueTo) && !isUndecoded(view)
      const value = asIs ? undefined : textValue(bytes.subarray(valueFrom, valueTo), shape.json && !isUndecoded(view))
      const valueBytes = value === undefined ? valueTo - valueFrom : value.length * 3
      const slot = into.reserve(prefix.length + middle.length + valueBytes + 8)
      const chunk = slot.chunk
      let at = slot.at + prefix.copy(chunk, slot.at)
      at += chunk.write(middle, at, 'latin1')
      if (value === undefined) {
        at += chunk.write('":', at, 'latin1')
        at += bytes.copy(chunk, at, valueFrom, valueTo)
      } else at += chunk.write(value, at, 'utf8')
      chunk[at++] = BRACE_CLOSE
      chunk[at++] = NEWLINE
      into.advance(at)
    },
  }
}

/** Whether it begins and ends as a JSON object on one line does: what was decoded on the gateway is one. Anything else is looked at closely. */
function looksLikeObject(bytes: Buffer, from: number, to: number): boolean {
  if (bytes[from] !== BRACE_OPEN || bytes[to - 1] !== BRACE_CLOSE) return false
  const newline = bytes.indexOf(NEWLINE, from)
  return newline < 0 || newline >= to
}

/** What follows `"value` in a line: `":"text"` or `_base64":"…"`; JSON over several lines is put on one. */
function textValue(value: Buffer, json: boolean): string {
  if (!isUtf8(value)) return `_base64":"${value.toString('base64')}"`
  const text = value.toString('utf8')
  if (json) {
    try {
      return `":${JSON.stringify(JSON.parse(text))}`
    } catch {
      return `":${JSON.stringify(text)}`
    }
  }
  return `":${JSON.stringify(text)}`
}

function csvField(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** CSV (RFC 4180): gateway, source, seq, time (ISO 8601), then the columns of `decode`, or one column `value` where it names none. */
export function csvRenderer(source: SourceId, shape: ValueShape, columns: readonly string[]): Renderer {
  const own = columns.length > 0
  const prefix = `${source.gateway},${source.source},`
  return {
    head: `gateway,source,seq,time,${own ? columns.map(csvField).join(',') : 'value'}\n`,
    record(view, into) {
      const raw = view.bytes.subarray(view.valueFrom, view.valueTo)
      const fields = own && shape.json && !isUndecoded(view) ? parseObject(raw) : undefined
      const cells = own ? columns.map(column => csvField(fields?.[column])).join(',') : csvField(raw.toString('utf8'))
      into.text(`${prefix}${view.sequence},${new Date(view.timeMs).toISOString()},${cells}\n`)
    },
  }
}

function parseObject(raw: Buffer): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(raw.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The values alone, one a line. A value that holds a line break cannot be told from two: it is refused. */
export function rawRenderer(): Renderer {
  return {
    head: '',
    record(view, into) {
      const { bytes, valueFrom, valueTo } = view
      if (bytes.subarray(valueFrom, valueTo).indexOf(NEWLINE) >= 0) {
        throw new HeadraceError('command_failed', `the record with sequence ${view.sequence} holds a line break`, {
          advice: 'Use input: ndjson, which can hold any bytes.',
        })
      }
      const { chunk, at } = into.reserve(valueTo - valueFrom + 1)
      const end = at + bytes.copy(chunk, at, valueFrom, valueTo)
      chunk[end] = NEWLINE
      into.advance(end + 1)
    },
  }
}
