import { get } from './api.ts'
import { empty, h } from './dom.ts'
import { number } from './format.ts'
import type { PageMaker } from './page.ts'

interface Alert {
  readonly key: string
  readonly analyser: string
  /** Null where it is about all sources together. */
  readonly source: string | null
  readonly state: 'raised' | 'cleared' | 'noted'
  readonly time: string
  readonly message: string
}

/** Analysers and the alerts that they raised. */
export const analysersPage: PageMaker = ({ model }) => {
  const list = h('section', { class: 'card scroll', tabindex: 0, 'aria-label': 'Analysers' })
  const alerts = h('section', { class: 'card scroll', tabindex: 0, 'aria-label': 'Alerts' })
  const node = h('div', { class: 'page' }, h('h1', {}, 'Analysers and alerts'), list, alerts)
  let shown = ''
  let asking = false
  const drawAlerts = (found: readonly Alert[]) => {
    const text = JSON.stringify(found)
    if (text === shown) return
    shown = text
    const heads = ['When (UTC)', 'State', 'Analyser', 'Source', 'What']
    const rows = found.map(({ time, state, analyser, source, message }) =>
      h(
        'tr',
        {},
        h('td', {}, time.replace('T', ' ').slice(0, 19)),
        h('td', {}, h('span', { class: `state ${{ raised: 'bad', noted: 'warn', cleared: 'good' }[state]}` }, state)),
        h('td', {}, analyser),
        h('td', {}, source ?? 'all together'),
        h('td', { class: 'wrap' }, message),
      ),
    )
    alerts.replaceChildren(
      h('h2', {}, 'Alerts since the core started'),
      found.length === 0 ? empty('No alert', 'Nothing that an analyser watches for has happened.') : tableOf(heads, rows),
    )
  }
  return {
    title: 'Analysers',
    node,
    update() {
      const analysers = model.core?.analysers ?? []
      list.replaceChildren(
        h('h2', {}, 'Analysers'),
        analysers.length === 0
          ? empty('No analyser', 'Declare one under `analysers` in a pipeline file that this core lists.')
          : tableOf(
              ['Analyser', 'Sources', 'Lag'],
              analysers.map(({ analyser, sources, lag }) =>
                h('tr', {}, h('td', {}, analyser), h('td', {}, number(sources)), h('td', {}, number(lag))),
              ),
            ),
      )
      if (asking) return
      asking = true
      get<Alert[]>('/api/core/alerts')
        .then(drawAlerts, () => {})
        .finally(() => {
          asking = false
        })
    },
  }
}

function tableOf(heads: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  return h(
    'table',
    {},
    h('thead', {}, h('tr', {}, ...heads.map(text => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...rows),
  )
}
