import type { Range } from '../ledger.ts'

/*
  Placeholders in a job's arguments, environment and paths
    {run_id} {job} {pipeline} {run_dir} {ranges} {ranges_file} {fields_file} {attempt}
    {date} {date:FORMAT} {date-1d:FORMAT}      the day for which the run is, in the job's time zone; FORMAT of strftime's %Y %y %m %d %j %H %M %S
    {gateway} {source} {topic} {partition} {from} {to}     of one source: in `files`, and everywhere in a run that reads one source only
    {{run_id}}                                 the text {run_id}
  Any other braces are the command's own and stay as they are, also ${run_id}, which belongs to a shell.
*/

export const RUN_PLACEHOLDERS = [
  'run_id',
  'job',
  'pipeline',
  'run_dir',
  'ranges',
  'ranges_file',
  'fields_file',
  'attempt',
  'date',
] as const
export const SOURCE_PLACEHOLDERS = ['gateway', 'source', 'topic', 'partition', 'from', 'to'] as const

const PATTERN = /(\$?)(\{?)\{([a-z_]+)(?:([+-]\d{1,5})d)?(?::([^{}]*))?\}(\}?)/g
const DAY_MS = 86_400_000
const DATE_FORMAT = '%Y-%m-%d'

export interface PlaceholderValues {
  /** The moment for which the run is, ms: when it was due, or begun by hand. */
  readonly atMs: number
  readonly timeZone: string
  readonly texts: Readonly<Record<string, string>>
}

/** The text with its placeholders filled in. */
export function fill(text: string, values: PlaceholderValues): string {
  return text.replace(PATTERN, (whole: string, dollar: string, open: string, name: string, days, format, close: string) => {
    if (open && close) return isPlaceholder(name) ? `${dollar}${whole.slice(dollar.length + 1, -1)}` : whole
    if (dollar) return whole
    const value = name === 'date' ? dateText(values, Number(days ?? 0), format ?? DATE_FORMAT) : plain(values, name, days, format)
    return value === undefined ? whole : `${open}${value}${close}`
  })
}

function plain({ texts }: PlaceholderValues, name: string, days: unknown, format: unknown): string | undefined {
  return days === undefined && format === undefined && Object.hasOwn(texts, name) ? texts[name] : undefined
}

function isPlaceholder(name: string): boolean {
  return ([...RUN_PLACEHOLDERS, ...SOURCE_PLACEHOLDERS] as string[]).includes(name)
}

/** Placeholders by name that stand in a path and are none of ours: most likely misspelt. */
export function unknownIn(path: string): string[] {
  return [...path.matchAll(PATTERN)]
    .filter(([, dollar, open, , , , close]) => !dollar && !(open && close))
    .map(([, , , name = '']) => name)
    .filter(name => !isPlaceholder(name))
}

/** Whether a path is another for each source. */
export function isForEachSource(path: string): boolean {
  return [...path.matchAll(PATTERN)].some(([, , , name]) => (SOURCE_PLACEHOLDERS as readonly string[]).includes(name ?? ''))
}

/** What a source's range says of itself. */
export function sourceTexts(range: Range): Record<string, string> {
  const [gateway = '', source = ''] = range.source.split('/')
  const { topic, partition, from, to } = range
  return { gateway, source, topic, partition: String(partition), from: String(from), to: String(to) }
}

function dateText({ atMs, timeZone }: PlaceholderValues, days: number, format: string): string {
  const local = localParts(atMs, timeZone)
  // Days are counted on the calendar, not in hours: the day before a clock change is a day away too.
  const day = new Date(Date.UTC(local.year, local.month - 1, local.day) + days * DAY_MS)
  const two = (value: number) => String(value).padStart(2, '0')
  const parts: Record<string, string> = {
    Y: String(day.getUTCFullYear()),
    y: two(day.getUTCFullYear() % 100),
    m: two(day.getUTCMonth() + 1),
    d: two(day.getUTCDate()),
    j: String(Math.floor((day.getTime() - Date.UTC(day.getUTCFullYear(), 0, 1)) / DAY_MS) + 1).padStart(3, '0'),
    H: two(local.hour),
    M: two(local.minute),
    S: two(local.second),
    '%': '%',
  }
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole)
}

function localParts(atMs: number, timeZone: string) {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const part: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(atMs)) part[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
  return { year, month, day, hour, minute, second }
}
