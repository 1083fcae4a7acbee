import { empty, h } from './dom.ts'
import { Facts } from './facts.ts'
import { ago, bytes, number, rate, records as recordsText } from './format.ts'
import { waitingSince } from './gateways.ts'
import { HistoryChart } from './history-chart.ts'
import { type Model, type SourceView, stateOf } from './model.ts'
import type { PageMaker } from './page.ts'
import { Records } from './records.ts'
import { Troubles } from './trouble.ts'

/** One source: where it stands at both ends, what it says now, as decoded record and as bytes. */
export const sourcePage: PageMaker = ({ model, session, args }) => {
  const [gateway = '', source = ''] = args
  const key = `${gateway}/${source}`
  const hasCore = session.sides.includes('core')
  const inLog = new Facts()
  const onGateway = new Facts()
  const troubles = new Troubles('Alarms of this source')
  const records = hasCore ? new Records(key, field => unitOf(model.sources.get(key), field)) : undefined
  const history = new HistoryChart('Records by minute, last day', { source: key })
  const gatewayOnly = h(
    'div',
    { class: 'card' },
    empty('Records are shown by the core', 'This console is the gateway’s: it knows what waits and what is on its way.'),
  )
  const node = h(
    'div',
    { class: 'page' },
    h('div', { class: 'bar' }, h('h1', {}, key), h('a', { href: '#/' }, 'All sources')),
    troubles.node,
    h(
      'div',
      { class: 'two' },
      h('section', { class: 'card', 'aria-label': 'In the log' }, h('h2', {}, 'In the log'), inLog.node),
      h('section', { class: 'card', 'aria-label': 'On the gateway' }, h('h2', {}, 'On the gateway'), onGateway.node),
    ),
    records?.node ?? gatewayOnly,
    history.node,
  )
  return {
    title: key,
    node,
    update() {
      const view = model.sources.get(key)
      if (!view) {
        inLog.set('State', 'not known here', 'warn')
        return
      }
      troubles.show(model.troubles.filter(each => isAbout(each, view)))
      logFacts(inLog, view, model, records?.gaps)
      gatewayFacts(onGateway, view, model)
      records?.draw()
    },
    leave() {
      records?.end()
      history.end()
    },
  }
}

function isAbout(trouble: { source?: string | undefined; gateway?: string | undefined }, { key, gateway, source }: SourceView) {
  return trouble.source === key || (trouble.source === source && (trouble.gateway ?? gateway) === gateway)
}

function logFacts(facts: Facts, view: SourceView, { timeMs }: Model, gaps: number | undefined): void {
  const { edge, core } = view
  const { text, tone } = stateOf(view)
  facts.set('State', text, tone)
  facts.set('Into the log', rate(view.perSecond))
  facts.set('Next sequence and offset', number(core?.next ?? edge?.settled))
  const place = core ?? edge
  facts.set('Partition', place ? `${place.topic}[${place.partition ?? '–'}]` : '–')
  if (core) facts.set('Kept from', number(core.first))
  facts.set('Last record', view.changedAtMs === undefined ? 'none since this page was opened' : ago(view.changedAtMs, timeMs))
  if (gaps !== undefined) facts.set('Gaps in what is shown', number(gaps), gaps > 0 ? 'warn' : undefined)
}

function gatewayFacts(facts: Facts, view: SourceView, model: Model): void {
  const { at, gateway, readPerSecond } = view
  facts.set('Link', ...linkOf(model, gateway))
  if (!at) {
    facts.set('Waiting', 'the gateway has not said yet')
    return
  }
  const { timeMs } = model
  facts.set('From the device', readPerSecond === undefined ? '–' : rate(readPerSecond))
  facts.set('Waiting', `${recordsText(at.buffered.records)}, ${bytes(at.buffered.bytes)}`)
  facts.set('Oldest waiting', waitingSince(at.buffered, timeMs))
  facts.set('Read since the start', number(at.read))
  facts.set('Given up (gaps)', number(at.dropped), at.dropped > 0 ? 'warn' : undefined)
  facts.set('Not decoded', number(at.decode_errors), at.decode_errors > 0 ? 'warn' : undefined)
  const report = model.core?.reports.find(each => each.gateway === gateway)
  const disk = model.edge?.gateway === gateway ? model.edge.disk : report?.disk
  facts.set('Written to disk (all sources)', disk ? bytes(disk.written_bytes) : '–')
  facts.set('Last error', at.reason ?? 'none', at.reason === null ? undefined : 'warn')
}

function linkOf({ edge, core, timeMs }: Model, gateway: string): [text: string, tone: 'good' | 'warn'] {
  if (edge?.gateway === gateway) {
    const { state, peer } = edge.link
    return [`${state}${peer === null ? '' : ` with ${peer}`}`, state === 'sending' ? 'good' : 'warn']
  }
  const session = core?.gateways.find(each => each.gateway === gateway)
  if (session) return [`connected, session ${session.session}`, 'good']
  const report = core?.reports.find(each => each.gateway === gateway)
  return [report ? `not connected, heard ${ago(Date.parse(report.heard), timeMs)}` : 'not connected', 'warn']
}

function unitOf(view: SourceView | undefined, field: string): string | undefined {
  return (view?.edge?.fields ?? view?.core?.fields)?.[field]?.unit
}
