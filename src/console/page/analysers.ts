import { AlertList } from './alert-list.ts'
import { h } from './dom.ts'
import { moment, number } from './format.ts'
import type { PageMaker } from './page.ts'
import { RowTable } from './row-table.ts'
import { Silences } from './silences.ts'
import type { AnalyserRow } from './status.ts'

/** How often alerts and silences are asked for, ms. */
const ASK_EVERY_MS = 2_000

/** Analysers, the alerts that they raised, who takes care of them, and what is silenced. */
export const analysersPage: PageMaker = context => {
  const { model } = context
  const table = new RowTable<AnalyserRow>({
    label: 'Analysers',
    columns: [
      { head: 'Analyser' },
      { head: 'State' },
      { head: 'Sources', number: true },
      { head: 'Lag', number: true },
      { head: 'Came too late', number: true },
      { head: 'Alerts on their way', number: true },
      { head: 'Last alert' },
    ],
    empty: ['No analyser', 'Declare one under `analysers` in a pipeline file that this core lists.'],
  })
  let askedMs = Number.NEGATIVE_INFINITY
  const ask = () => {
    alerts.ask()
    silences.ask()
  }
  const silences = new Silences(context, () => ask())
  const alerts = new AlertList(context, {
    silence: (analyser, source) => silences.offer(analyser, source),
    changed: () => ask(),
  })
  return {
    title: 'Analysers',
    node: h(
      'div',
      { class: 'page' },
      h('h1', {}, 'Analysers and alerts'),
      alerts.node,
      silences.node,
      h('section', { class: 'card' }, h('h2', {}, 'Analysers'), table.node),
    ),
    update() {
      table.show({
        items: model.core?.analysers ?? [],
        keyOf: ({ analyser, pipeline }) => `${pipeline}.${analyser}`,
        cellsOf: ({ analyser, pipeline, state, sources, lag, late, undelivered, last_alert }) => [
          `${pipeline}.${analyser}`,
          { text: state, tone: state === 'failed' ? 'bad' : state === 'running' ? 'good' : 'idle' },
          number(sources),
          number(lag),
          number(late),
          number(undelivered),
          last_alert === null ? 'none' : moment(last_alert),
        ],
      })
      if (model.timeMs - askedMs < ASK_EVERY_MS) return
      askedMs = model.timeMs
      ask()
    },
  }
}
