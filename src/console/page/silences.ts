import { actionButton, errorText } from './action.ts'
import { change, get } from './api.ts'
import { h, setText } from './dom.ts'
import { moment } from './format.ts'
import type { PageContext } from './page.ts'
import { RowTable } from './row-table.ts'

interface Silence {
  readonly id: number
  readonly analyser: string
  readonly source: string
  readonly until: string
  readonly by: string
  readonly reason: string
}

const HOUR_MS = 3_600_000
const SPANS: readonly (readonly [label: string, ms: number])[] = [
  ['30 minutes', HOUR_MS / 2],
  ['2 hours', 2 * HOUR_MS],
  ['8 hours', 8 * HOUR_MS],
  ['1 day', 24 * HOUR_MS],
  ['1 week', 168 * HOUR_MS],
]

/** What is silenced until when, and the form that silences. */
export class Silences {
  readonly node: HTMLElement
  readonly #context: PageContext
  readonly #changed: () => void
  readonly #analyser = h('input', { name: 'analyser', value: '*', required: true, maxlength: 130 })
  readonly #source = h('input', { name: 'source', value: '*', required: true, maxlength: 130 })
  readonly #span = h('select', { name: 'for' }, ...SPANS.map(([label, ms]) => h('option', { value: ms }, label)))
  readonly #reason = h('input', { name: 'reason', maxlength: 500, placeholder: 'why, for whoever wonders' })
  readonly #said = h('span', { role: 'status', class: 'said' })
  readonly #form: HTMLElement
  readonly #ends = new Map<number, HTMLElement>()
  readonly #table = new RowTable<Silence>({
    label: 'Silences',
    columns: [
      { head: 'Analyser' },
      { head: 'Source' },
      { head: 'Until' },
      { head: 'By' },
      { head: 'Reason', wrap: true },
      { head: 'Actions' },
    ],
    empty: ['Nothing is silenced', 'Every alert goes to its webhook, command or AMQP address.'],
  })

  constructor(context: PageContext, changed: () => void) {
    this.#context = context
    this.#changed = changed
    const isOperator = context.session.user.role === 'operator'
    this.#form = h(
      'form',
      { class: 'inline', hidden: true, submit: event => void this.#submit(event) },
      h('label', {}, 'Analyser', this.#analyser),
      h('label', {}, 'Source', this.#source),
      h('label', {}, 'For', this.#span),
      h('label', { class: 'wide' }, 'Reason', this.#reason),
      h('button', { type: 'submit', class: 'primary' }, 'Silence'),
    )
    const open = h('button', { type: 'button', disabled: !isOperator, click: () => this.offer('*', '*') }, 'Silence…')
    this.node = h(
      'section',
      { class: 'card' },
      h('div', { class: 'bar' }, h('h2', {}, 'Silences'), this.#said, open),
      this.#form,
      this.#table.node,
    )
  }

  /** Opens the form, filled in. */
  offer(analyser: string, source: string): void {
    this.#analyser.value = analyser
    this.#source.value = source
    this.#form.hidden = false
    this.#form.scrollIntoView({ block: 'center' })
    this.#reason.focus()
  }

  ask(): void {
    get<Silence[]>('/api/core/silences').then(
      items =>
        this.#table.show({
          items,
          keyOf: ({ id }) => String(id),
          cellsOf: silence => [
            silence.analyser,
            silence.source,
            moment(silence.until),
            silence.by,
            silence.reason,
            { node: this.#endOf(silence.id) },
          ],
        }),
      Object,
    )
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault()
    const body = {
      analyser: this.#analyser.value.trim(),
      source: this.#source.value.trim(),
      for_ms: Number(this.#span.value),
      reason: this.#reason.value.trim(),
    }
    try {
      const { until } = await change<Silence>('POST', '/api/core/silences', this.#context.session.csrf, body)
      setText(this.#said, `silenced until ${moment(until)}`)
      this.#form.hidden = true
      this.#reason.value = ''
      this.#changed()
    } catch (error) {
      setText(this.#said, errorText(error))
    }
  }

  #endOf(id: number): HTMLElement {
    const known = this.#ends.get(id)
    if (known) return known
    const { button, said } = actionButton(this.#context, 'End', async () => {
      await change('POST', `/api/core/silences/${id}/end`, this.#context.session.csrf)
      this.#changed()
      return ''
    })
    const made = h('span', { class: 'actions' }, button, said)
    this.#ends.set(id, made)
    return made
  }
}
