import { get } from './api.ts'
import { TimeChart } from './chart.ts'
import { empty, h, setText } from './dom.ts'
import { number } from './format.ts'
import type { PageMaker } from './page.ts'

interface Point {
  readonly timeMs: number
  readonly records: number
}

/** The log: what lies in each partition, and how much came in each minute of the last day. */
export const partitionsPage: PageMaker = ({ model }) => {
  const identity = h('p', { class: 'soft' })
  const chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Records by minute over the last day' })
  const young = empty('The history begins now', 'It gets a point a minute, and keeps the last day.')
  const body = h('tbody')
  const heads = ['Topic', 'Partition', 'Source', 'First', 'Next', 'Records kept']
  const table = h(
    'table',
    {},
    h(
      'thead',
      {},
      h('tr', {}, ...heads.map((text, at) => h('th', { scope: 'col', class: at > 2 || at === 1 ? 'number' : '' }, text))),
    ),
    body,
  )
  const node = h(
    'div',
    { class: 'page' },
    h('h1', {}, 'Partitions'),
    identity,
    h('section', { class: 'card' }, h('h2', {}, 'Records by minute, last day'), young, chartNode),
    h('section', { class: 'card scroll', tabindex: 0, 'aria-label': 'Partitions' }, table),
  )
  const rows = new Map<string, HTMLElement[]>()
  let chart: TimeChart | undefined
  void get<Point[]>('/api/history').then(points => {
    young.hidden = points.length > 1
    chartNode.hidden = points.length <= 1
    if (points.length <= 1) return
    chart = new TimeChart(chartNode, ['records'], { height: 200 })
    chart.set(
      points.map(({ timeMs }) => timeMs),
      [points.map(({ records }) => records)],
    )
  })
  return {
    title: 'Partitions',
    node,
    update() {
      const { core } = model
      if (!core) return
      setText(identity, `${core.log.engine} log ${core.log.identity}`)
      for (const { topic, partition, source, first, next } of [...model.sources.values()].flatMap(view =>
        view.core ? [view.core] : [],
      )) {
        let cells = rows.get(source)
        if (!cells) {
          cells = heads.map((_, at) => h('td', { class: at > 2 || at === 1 ? 'number' : '' }))
          rows.set(source, cells)
          body.append(h('tr', { class: 'row' }, ...cells))
        }
        const texts = [
          topic,
          String(partition),
          source,
          number(first),
          number(next),
          number(next === null || first === null ? null : next - first),
        ]
        for (const [at, cell] of cells.entries()) setText(cell, texts[at] ?? '')
      }
    },
    leave: () => chart?.end(),
  }
}
