import { actionButton } from './action.ts'
import { change, get } from './api.ts'
import { empty, h, setText } from './dom.ts'
import { ago, moment } from './format.ts'
import type { Tone } from './model.ts'
import type { PageContext } from './page.ts'
import { RowTable } from './row-table.ts'

interface Alert {
  readonly key: string
  readonly analyser: string
  readonly pipeline: string
  /** Null where it is about all sources together. */
  readonly source: string | null
  readonly state: 'raised' | 'cleared' | 'noted'
  readonly time: string
  readonly message: string
  readonly stands: boolean
  readonly acknowledged: { readonly by: string; readonly at: string; readonly note: string } | null
  readonly silenced_by: number | null
}

const TONES: Readonly<Record<Alert['state'], Tone>> = { raised: 'bad', noted: 'warn', cleared: 'good' }

/** What stands, as cards with what can be done about it; and what was said before, as a table. */
export class AlertList {
  readonly node = h('div', { class: 'page' })
  readonly #context: PageContext
  readonly #on: { silence(analyser: string, source: string): void; changed(): void }
  readonly #standing = h('div', { class: 'stack' })
  readonly #cards = new Map<string, { card: HTMLElement; about: HTMLElement; acknowledge: HTMLElement }>()
  readonly #nothing = empty('Nothing stands', 'No analyser sees anything that a person should know now.')
  readonly #table = new RowTable<Alert>({
    label: 'Latest alerts',
    columns: [
      { head: 'When' },
      { head: 'State' },
      { head: 'Analyser' },
      { head: 'Source' },
      { head: 'What', wrap: true },
      { head: 'Acknowledged' },
    ],
    empty: ['No alert', 'Nothing that an analyser watches for has happened.'],
  })

  constructor(context: PageContext, on: { silence(analyser: string, source: string): void; changed(): void }) {
    this.#context = context
    this.#on = on
    this.node.append(
      h(
        'section',
        { class: 'card', 'aria-label': 'Alerts that stand' },
        h('h2', {}, 'Alerts that stand'),
        this.#nothing,
        this.#standing,
      ),
      h('section', { class: 'card' }, h('h2', {}, 'Latest alerts'), this.#table.node),
    )
  }

  ask(): void {
    get<Alert[]>('/api/core/alerts').then(found => this.#show(found), Object)
  }

  #show(found: readonly Alert[]): void {
    const standing = found.filter(({ stands }) => stands)
    this.#nothing.hidden = standing.length > 0
    for (const [key, { card }] of this.#cards) {
      if (standing.some(each => each.key === key)) continue
      card.remove()
      this.#cards.delete(key)
    }
    for (const alert of standing) this.#write(alert)
    this.#table.show({
      items: found,
      keyOf: ({ key }) => key,
      cellsOf: ({ time, state, pipeline, analyser, source, message, acknowledged }) => [
        moment(time),
        { text: state, tone: TONES[state] },
        `${pipeline}.${analyser}`,
        source ?? 'all together',
        message,
        acknowledged ? acknowledged.by : '–',
      ],
    })
  }

  #write(alert: Alert): void {
    const { key, time, acknowledged, silenced_by } = alert
    const shown = this.#cards.get(key) ?? this.#add(alert)
    const since = `since ${moment(time)}, ${ago(Date.parse(time), this.#context.model.timeMs)}`
    const care = acknowledged
      ? `${acknowledged.by} takes care of it${acknowledged.note === '' ? '' : `: ${acknowledged.note}`}`
      : 'nobody takes care of it yet'
    setText(shown.about, [since, care, ...(silenced_by === null ? [] : ['silenced'])].join(' · '))
    shown.card.className = acknowledged ? 'alert taken' : 'alert'
    shown.acknowledge.hidden = acknowledged !== null
  }

  #add({ key, pipeline, analyser, source, message }: Alert) {
    const about = h('p', { class: 'soft' })
    const { button, said } = actionButton(this.#context, 'Acknowledge', async () => {
      await change('POST', '/api/core/alerts/acknowledge', this.#context.session.csrf, { key })
      this.#on.changed()
      return ''
    })
    const silence = h(
      'button',
      {
        type: 'button',
        disabled: this.#context.session.user.role !== 'operator',
        click: () => this.#on.silence(`${pipeline}.${analyser}`, source ?? '*'),
      },
      'Silence…',
    )
    const card = h(
      'article',
      { class: 'alert' },
      h(
        'div',
        { class: 'what' },
        h('h3', {}, `${pipeline}.${analyser}`, h('span', { class: 'about' }, source ?? 'all together')),
        h('p', {}, message),
        about,
      ),
      h('div', { class: 'actions' }, button, silence, said),
    )
    this.#standing.append(card)
    const made = { card, about, acknowledge: button }
    this.#cards.set(key, made)
    return made
  }
}
