import { parseExactly, WrittenNumber } from '../runtime/raw-json.ts'

/** A record as the control socket gives it to `tail`. */
export interface TailItem {
  readonly gateway: string
  readonly source: string
  readonly seq: number
  readonly time_ms: number
  readonly value_base64: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** A line of NDJSON. Numbers in a value stay as they were written. */
export function jsonLine({ value_base64, headers, ...rest }: TailItem): string {
  const { seq: _own, ...others } = headers
  return JSON.stringify({ ...rest, ...readableValue(value_base64), ...(Object.keys(others).length > 0 && { headers: others }) })
}

function readableValue(base64: string | null): object {
  if (base64 === null) return { value: null }
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes)) return { value_base64: base64 }
  try {
    const value = parseExactly(text)
    return { value: typeof value === 'object' && !(value instanceof WrittenNumber) ? value : text }
  } catch {
    return { value: text }
  }
}
