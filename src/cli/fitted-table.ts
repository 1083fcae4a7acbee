import { table } from './output.ts'

type Rows = readonly (readonly (string | number)[])[]

/** What may give way where a table is wider than the terminal. */
export interface Yielding {
  /** Columns of names, of which the middle may go; both their ends tell them apart. */
  readonly names?: readonly string[]
  /** Columns that may go, those of least worth first. */
  readonly spare?: readonly string[]
  /** The column of remarks, which then stand whole beneath their rows. */
  readonly remarks?: string
}

/** A name is shortened to no less than this while there is a column that may go in its place. */
const NAME_CHARACTERS_MIN = 12
const GAP = '  '
const SAYS_NOTHING = new Set(['', '-', '0'])

export interface TerminalSize {
  readonly rows?: number
  readonly columns?: number
}

/** The size of the terminal that the output is; of neither where it is none, or does not tell. */
export function terminalSize(
  { isTTY, rows, columns }: TerminalSize & { readonly isTTY?: boolean } = process.stdout,
): TerminalSize {
  return isTTY && rows && columns ? { rows, columns } : {}
}

/** Rows as aligned columns that fit the terminal; whole where there is none, so that what reads a pipe misses nothing. */
export function fittedTable(
  head: readonly string[],
  rows: Rows,
  { names = [], spare = [], remarks }: Yielding,
  columns: number | undefined,
): string {
  if (columns === undefined || totalOf(widthsOf(head, rows)) <= columns) return table(head, rows)
  const at = remarks === undefined ? -1 : head.indexOf(remarks)
  const isEmpty = (column: number) => rows.every(row => SAYS_NOTHING.has(String(row[column])))
  const spared = spare.map(name => head.indexOf(name)).sort((a, b) => Number(isEmpty(b)) - Number(isEmpty(a)))
  let kept = [...head.keys()].filter(column => column !== at)
  const partOf = (row: readonly (string | number)[]) => kept.map(column => row[column] ?? '')
  const namesOf = () => partOf(head).map(name => names.includes(String(name)))
  const capsOf = () => nameCaps(widthsOf(partOf(head), rows.map(partOf)), namesOf(), columns)
  for (const column of spared) {
    const isTooWide = isEmpty(column) ? totalOf(widthsOf(partOf(head), rows.map(partOf))) > columns : capsOf() === undefined
    if (isTooWide) kept = kept.filter(each => each !== column)
  }
  const caps = capsOf()
  const areNames = namesOf()
  const cut = (cell: string | number, column: number) =>
    areNames[column] ? middleCut(String(cell), caps?.[column] ?? NAME_CHARACTERS_MIN) : cell
  const [title = '', ...lines] = table(
    partOf(head).map(String),
    rows.map(row => partOf(row).map(cut)),
  )
    .split('\n')
    .map(line => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line))
  const beneath = rows.map(row => (row[at] ? [wrapped(`  ${row[at]}`, columns)] : []))
  return [title, ...lines.flatMap((line, row) => [line, ...(beneath[row] ?? [])])].join('\n')
}

/** How long names may be, by column, so that all fits; undefined where they would have to be too short for it. */
function nameCaps(widths: readonly number[], areNames: readonly boolean[], columns: number): number[] | undefined {
  const others = totalOf(widths.map((width, column) => (areNames[column] ? 0 : width)))
  const wanted = widths.filter((_, column) => areNames[column])
  const shares = sharesOf(columns - others, wanted)
  const fits = wanted.every((width, index) => (shares[index] ?? 0) >= Math.min(width, NAME_CHARACTERS_MIN))
  if (!fits || others > columns) return undefined
  return widths.map((width, column) => (areNames[column] ? (shares.shift() ?? width) : width))
}

/** Breaks lines between words where the terminal would break them within; what goes on is set in by two more than its line. */
export function wrapped(text: string, columns: number | undefined): string {
  if (columns === undefined) return text
  return text
    .split('\n')
    .map(line => wrappedLine(line, columns))
    .join('\n')
}

function wrappedLine(line: string, columns: number): string {
  if (line.length <= columns) return line
  const indent = /^ */.exec(line)?.[0] ?? ''
  const [first = '', ...words] = line.slice(indent.length).split(' ')
  const lines = [indent + first]
  for (const word of words) {
    const last = lines.at(-1) ?? ''
    if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`${indent}  ${word}`)
  }
  return lines.join('\n')
}

/** How much of `room` each of several gets: what one does not want is for the others; one at least. */
export function sharesOf(room: number, wanted: readonly number[]): number[] {
  const shares = wanted.map(() => 0)
  let left = room
  const smallestFirst = [...wanted.keys()].sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0))
  for (const [done, index] of smallestFirst.entries()) {
    const share = Math.max(1, Math.min(wanted[index] ?? 0, Math.floor(left / (wanted.length - done))))
    shares[index] = share
    left -= share
  }
  return shares
}

export function middleCut(name: string, characters: number): string {
  if (name.length <= characters) return name
  const tail = Math.floor((characters - 1) / 2)
  return `${name.slice(0, characters - 1 - tail)}…${name.slice(name.length - tail)}`
}

function widthsOf(head: readonly (string | number)[], rows: Rows): number[] {
  return head.map((name, column) =>
    rows.reduce((widest, row) => Math.max(widest, String(row[column] ?? '').length), String(name).length),
  )
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1))
}
