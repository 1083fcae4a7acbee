/**
 * How the console's pages keep up with 1,000 sources that all change each second, in Chromium, with a processor as it is and one four times slower.
 * `npm run bench:console [seconds]`.
 */
import { Command } from 'commander'
import type { Browser, CDPSession } from 'playwright-core'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { launchChromium } from '../browser/chromium.ts'
import { consoleUrlOf } from '../browser/console-page.ts'
import { Up } from '../cli/up-process.ts'
import { until } from '../support/until.ts'

const command = new Command('npm run bench:console --')
  .description('How the console’s pages keep up with 1,000 sources.')
  .argument('[seconds]', 'how long each page is watched', wholeNumber(1), 10)
readArguments(command)
const [SECONDS] = command.processedArgs as [number]
const SOURCES = 1_000
const SLOWER = [1, 4]
const START_LIMIT_MS = 120_000
/** What has to be there before a page counts as shown. */
const PAGES = {
  overview: ['', '[aria-label=Sources] tbody tr'],
  'a source': ['source/plant-a-1/s-0042', '[aria-label="Latest records"] tbody tr'],
  pipelines: ['pipelines', 'svg path.flows'],
  partitions: ['partitions', '[aria-label=Partitions] tbody tr'],
  'batch jobs': ['jobs', '[aria-label="Batch jobs"] tbody tr'],
  analysers: ['analysers', '[aria-label=Analysers] tbody tr'],
} as const

/** Tasks over 50 ms since the page was opened (Long Tasks API): when they began, and how long they took, ms. */
const WATCH = `window.longTasks = []
new PerformanceObserver(list => {
  for (const { startTime, duration } of list.getEntries()) window.longTasks.push([startTime, duration])
}).observe({ type: 'longtask', buffered: true })`

interface Row {
  readonly page: string
  readonly slower: number
  readonly shownMs: number
  readonly openingMs: readonly number[]
  readonly watchingMs: readonly number[]
  readonly busyMsPerSecond: number
  readonly layoutMsPerSecond: number
  readonly kibPerSecond: number
  readonly heapMib: number
}

type Metrics = Readonly<Record<string, number>>

async function metricsOf(session: CDPSession): Promise<Metrics> {
  const { metrics } = await session.send('Performance.getMetrics')
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
}

async function look(browser: Browser, url: string, name: keyof typeof PAGES, slower: number): Promise<Row> {
  const [hash, shows] = PAGES[name]
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.addInitScript(WATCH)
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  await session.send('Network.enable')
  await session.send('Emulation.setCPUThrottlingRate', { rate: slower })
  let received = 0
  session.on('Network.dataReceived', ({ dataLength }) => {
    received += dataLength
  })
  await page.goto(`${url}/#/${hash}`)
  await page.locator(shows).first().waitFor({ timeout: 120_000 })
  const shownMs = Number(await page.evaluate('performance.now()'))
  const before = await metricsOf(session)
  const receivedBefore = received
  await pause(systemClock, SECONDS * 1_000)
  const after = await metricsOf(session)
  const perSecond = (key: string) => (1_000 * ((after[key] ?? 0) - (before[key] ?? 0))) / SECONDS
  const tasks = (await page.evaluate('window.longTasks')) as [number, number][]
  const kibPerSecond = (received - receivedBefore) / 1_024 / SECONDS
  await context.close()
  return {
    page: name,
    slower,
    shownMs,
    openingMs: tasks.filter(([fromMs]) => fromMs <= shownMs).map(([, ms]) => ms),
    watchingMs: tasks.filter(([fromMs]) => fromMs > shownMs).map(([, ms]) => ms),
    busyMsPerSecond: perSecond('TaskDuration'),
    layoutMsPerSecond: perSecond('LayoutDuration'),
    kibPerSecond,
    heapMib: (after['JSHeapUsedSize'] ?? 0) / 2 ** 20,
  }
}

function printRow({ page, slower, openingMs, watchingMs, ...row }: Row): void {
  const tasks = (all: readonly number[]) => `${all.length}, longest ${Math.round(Math.max(0, ...all))} ms`
  process.stdout.write(
    `${page}${slower > 1 ? `, ${slower} times slower` : ''}: shown after ${Math.round(row.shownMs)} ms; tasks over 50 ms until then ${tasks(openingMs)}; ` +
      `in ${SECONDS} s after ${tasks(watchingMs)}; each second ${Math.round(row.busyMsPerSecond)} ms busy, of these ${Math.round(row.layoutMsPerSecond)} ms ` +
      `layout, ${Math.round(row.kibPerSecond)} KiB received; heap ${row.heapMib.toFixed(1)} MiB\n`,
  )
}

const sources = Array.from(
  { length: SOURCES },
  (_, index) => `  s-${String(index).padStart(4, '0')}: { generator: { records_per_second: 1 } }`,
)
const up = new Up(`pipeline: plant
sources:
${sources.join('\n')}
batch:
  load: { input: ndjson, run: [sh, -c, "cat > /dev/null"] }
analysers:
  level: { sources: [s-0001], every: 1s, when: "count(n) > 100", alert: { command: ["true"] } }
`)
const browser = await launchChromium()
try {
  await up.start()
  await until(
    'every source has brought some records',
    async () => (await up.status()).core.sources.every(({ next }) => (next ?? 0) > 5),
    START_LIMIT_MS,
  )
  for (const slower of SLOWER)
    for (const name of Object.keys(PAGES) as (keyof typeof PAGES)[]) printRow(await look(browser, consoleUrlOf(up), name, slower))
} finally {
  await browser.close()
  await up.end()
}
