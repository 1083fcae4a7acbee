import { TimeChart } from './chart.ts'
import { h } from './dom.ts'
import { Gateways } from './gateways.ts'
import type { PageMaker } from './page.ts'
import { SourceTable } from './source-table.ts'
import { Tiles } from './tiles.ts'
import { Troubles } from './trouble.ts'

const FLOW_SPAN_MS = 120_000

/** Whether everything is well, what flows, what needs a person. */
export const overviewPage: PageMaker = ({ model, session }) => {
  const tiles = new Tiles(model)
  const troubles = new Troubles('What needs a person')
  const chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Records a second over the last two minutes' })
  const gateways = session.sides.includes('core') ? new Gateways(model) : undefined
  const table = new SourceTable(model)
  const node = h(
    'div',
    { class: 'page' },
    h('h1', {}, 'Overview'),
    tiles.node,
    troubles.node,
    h('section', { class: 'card' }, h('h2', {}, 'Records a second'), chartNode),
    gateways?.node,
    table.node,
  )
  let chart: TimeChart | undefined
  return {
    title: 'Overview',
    node,
    update() {
      tiles.update()
      troubles.show(model.troubles)
      chart ??= new TimeChart(chartNode, ['records a second'], { height: 200, spanMs: FLOW_SPAN_MS, fromZero: true })
      // Without a point there is no time to show either.
      if (model.flow.length > 0)
        chart.set(
          model.flow.map(({ timeMs }) => timeMs),
          [model.flow.map(({ value }) => value)],
        )
      gateways?.update()
      table.update()
    },
    leave: () => chart?.end(),
  }
}
