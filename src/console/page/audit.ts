import { errorText } from './action.ts'
import { get } from './api.ts'
import { h, setText } from './dom.ts'
import { moment, span } from './format.ts'
import type { PageMaker } from './page.ts'
import { RowTable } from './row-table.ts'

interface Entry {
  readonly time: string
  readonly user: string
  readonly address: string
  readonly what: string
  readonly given?: Readonly<Record<string, unknown>>
  readonly status: number
}

/** How often it is asked for while the page is open, ms. */
const ASK_EVERY_MS = 5_000
const REFUSED: Readonly<Record<number, string>> = { 403: 'refused', 409: 'not possible', 400: 'not understood', 404: 'not found' }

/** Who asked for which change, and what came of it. */
export const auditPage: PageMaker = ({ model }) => {
  const said = h('p', { class: 'soft', role: 'status' })
  const table = new RowTable<Entry>({
    label: 'Changes',
    columns: [
      { head: 'When' },
      { head: 'Who' },
      { head: 'From' },
      { head: 'Outcome' },
      { head: 'What', wrap: true },
      { head: 'With', wrap: true },
    ],
    empty: [
      'Nobody has changed anything',
      'Every run, acknowledgement and silence that is asked for here is kept, allowed or not.',
    ],
  })
  let askedMs = Number.NEGATIVE_INFINITY
  const show = (items: readonly Entry[]) => {
    setText(said, '')
    table.show({
      items,
      keyOf: ({ time, user, what }) => `${time} ${user} ${what}`,
      cellsOf: ({ time, user, address, what, given, status }) => [
        moment(time),
        user,
        address,
        { text: status < 400 ? 'done' : (REFUSED[status] ?? `failed (${status})`), tone: status < 400 ? 'good' : 'bad' },
        wordsOf(what),
        Object.entries(given ?? {})
          .map(([name, value]) => givenText(name, value))
          .join('\n') || '–',
      ],
    })
  }
  return {
    title: 'Changes',
    node: h(
      'div',
      { class: 'page' },
      h('div', { class: 'bar' }, h('h1', {}, 'Changes'), said),
      h('section', { class: 'card' }, h('h2', {}, 'Who asked for what'), table.node),
    ),
    update() {
      if (model.timeMs - askedMs < ASK_EVERY_MS) return
      askedMs = model.timeMs
      get<Entry[]>('/api/audit').then(show, (error: unknown) => setText(said, errorText(error)))
    },
  }
}

/** Changes by their paths, as a person says them; `$1` is what it is done to. */
const WORDS: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/^batch\/(.+)\/run$/, 'run batch job $1'],
  [/^alerts\/acknowledge$/, 'acknowledge an alert'],
  [/^silences$/, 'silence alerts'],
  [/^silences\/(.+)\/end$/, 'end silence $1'],
  [/^gateways\/(.+)\/forget$/, 'forget gateway $1'],
  [/^sources\/(.+)\/resume$/, 'resume source $1'],
  [/^sources(\/.+)?\/retire$/, 'retire source $1'],
  [/^dead\/retry$/, 'retry a dead letter'],
]

function wordsOf(what: string): string {
  const path = decoded(what.replace(/^\S+ \/api\/(core|edge)\//, ''))
  const found = WORDS.find(([pattern]) => pattern.test(path))
  return found ? path.replace(found[0], found[1]).replace(' /', ' ').trim() : what
}

function givenText(name: string, value: unknown): string {
  if (name.endsWith('_ms') && typeof value === 'number') return `${name.slice(0, -3)}: ${span(value)}`
  return `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
