const GROUPED = new Intl.NumberFormat('en')
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export function number(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : GROUPED.format(value)
}

export function compact(value: number): string {
  return value < 10_000 ? GROUPED.format(Math.round(value * 10) / 10) : COMPACT.format(value)
}

export function rate(perSecond: number): string {
  return `${compact(perSecond)}/s`
}

/** What belongs to its number stays on its line. */
const NBSP = '\u00a0'

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const step = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10))
  return `${step === 0 ? value : (value / 2 ** (10 * step)).toFixed(1)}${NBSP}${units[step]}`
}

/** How long ago, for a person. */
export function ago(fromMs: number, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - fromMs) / 1_000))
  if (seconds === 0) return `just${NBSP}now`
  return `${amount(seconds)}${NBSP}ago`
}

function amount(seconds: number): string {
  if (seconds < 90) return `${seconds}${NBSP}s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)}${NBSP}min`
  return seconds < 130_000 ? `${Math.round(seconds / 3_600)}${NBSP}h` : `${Math.round(seconds / 86_400)}${NBSP}d`
}

export function records(count: number): string {
  return `${number(count)}${NBSP}${count === 1 ? 'record' : 'records'}`
}

/** How long something takes or took. */
export function span(ms: number): string {
  const seconds = ms / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)}${NBSP}s`
  if (seconds < 120) return `${Math.round(seconds)}${NBSP}s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)}${NBSP}min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}${NBSP}h` : `${Math.round(seconds / 86_400)}${NBSP}days`
}

/** ISO 8601 as a person reads it. */
export function moment(iso: string): string {
  return `${iso.replace('T', ' ').slice(0, 19)} UTC`
}

export function time(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
}

/** Bytes as a hex dump of sixteen a line, with what can be printed beside. */
export function hexDump(value: Uint8Array, most = 512): string {
  const lines: string[] = []
  for (let at = 0; at < Math.min(value.length, most); at += 16) {
    const part = [...value.subarray(at, Math.min(at + 16, most))]
    const hex = part.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const text = part.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('')
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${text}`)
  }
  if (value.length > most) lines.push(`… ${value.length - most} more bytes`)
  return lines.join('\n')
}
