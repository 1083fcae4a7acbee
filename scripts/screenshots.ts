/**
 * `npm run screenshots`: every page of the console as docs/images shows it, in light and dark and on a phone, of a core and two gateways that really
 * run. `--only overview,source` makes some of them; `--after 30s` does not wait for the history to fill.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import type { Page } from 'playwright-core'
import { CoreProcess } from '../src/cli/core-process.ts'
import { EdgeProcess } from '../src/cli/edge-process.ts'
import { VERSION } from '../src/cli/version.ts'
import { coreSchema } from '../src/config/core.ts'
import { edgeSchema } from '../src/config/edge.ts'
import { loadPipelines } from '../src/config/load.ts'
import { Console } from '../src/console/console.ts'
import { consoleOptions } from '../src/console/options.ts'
import { Users } from '../src/console/users.ts'
import { pause, systemClock } from '../src/runtime/clock.ts'
import { silentLogger } from '../src/runtime/logger.ts'
import { launchChromium } from '../test/browser/chromium.ts'
import { duration, readArguments } from './arguments.ts'
import { type Plant, startPlant } from './demo/plant.ts'

const IMAGES = fileURLToPath(new URL('../docs/images', import.meta.url))
/** Pages settle: streams begin, rates are taken over some seconds. */
const SETTLE_MS = 9_000
const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 } },
  'phone-dark': { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  wide: { colorScheme: 'dark', viewport: { width: 2560, height: 1440 } },
} as const
type Look = keyof typeof LOOKS

interface View {
  /** Whose console: the core's, that of a gateway, or one before which somebody has to log in. */
  readonly of: 'core' | 'edge' | 'locked'
  readonly hash: string
  readonly looks: readonly Look[]
}

const EVERYWHERE: readonly Look[] = ['light', 'dark', 'phone']
const PAGES: Readonly<Record<string, View>> = {
  overview: { of: 'core', hash: '#/', looks: [...EVERYWHERE, 'phone-dark', 'wide'] },
  source: { of: 'core', hash: '#/source/plant-a/compressor', looks: [...EVERYWHERE, 'phone-dark'] },
  pipelines: { of: 'core', hash: '#/pipelines', looks: [...EVERYWHERE, 'wide'] },
  jobs: { of: 'core', hash: '#/jobs', looks: EVERYWHERE },
  job: { of: 'core', hash: '#/jobs/plant.to-file', looks: EVERYWHERE },
  analysers: { of: 'core', hash: '#/analysers', looks: EVERYWHERE },
  partitions: { of: 'core', hash: '#/partitions', looks: EVERYWHERE },
  changes: { of: 'core', hash: '#/audit', looks: EVERYWHERE },
  login: { of: 'locked', hash: '#/', looks: EVERYWHERE },
  gateway: { of: 'edge', hash: '#/', looks: EVERYWHERE },
}
const PRESSES = `pipeline: presses
retention: { age: 30d, size: 2GiB }
sources:
${[1, 2, 3, 4, 5, 6].map(each => `  press-${each}: { generator: { records_per_second: ${each * 4} } }`).join('\n')}
batch:
  load-warehouse: { schedule: "0 2 * * *", timezone: Europe/London, input: ndjson, run: [sh, -c, "cat > /dev/null"] }
  weekly-report: { schedule: "0 6 * * 1", sources: [press-1, press-2], input: csv, run: [sh, -c, "wc -l"] }
analysers:
  cycles: { sources: [press-6], every: 2s, when: "count(n) > 2", alert: { command: ["true"] } }
  still: { sources: ["press-*"], silence: 1m, alert: { command: ["true"] } }
`

async function scene(folder: string, plant: Plant) {
  writeFileSync(join(folder, 'presses.yaml'), PRESSES)
  const files = { plant: plant.pipelinePath, presses: join(folder, 'presses.yaml') }
  const core = await CoreProcess.start(
    coreSchema.parse({
      state: join(folder, 'core'),
      log: { sqlite: {} },
      ingress: { listen: 'amqp://127.0.0.1:0' },
      console: { listen: '127.0.0.1:0' },
      pipelines: Object.values(files),
    }),
    loadPipelines(Object.values(files)),
    silentLogger,
  )
  const edgeOf = (gateway: string, file: string) =>
    EdgeProcess.start(
      edgeSchema.parse({
        ...{ gateway, state: join(folder, gateway), uplink: { url: core.url }, pipelines: [file] },
        console: { listen: '127.0.0.1:0' },
      }),
      loadPipelines([file]),
      silentLogger,
    )
  const edges = [await edgeOf('plant-a', files.plant), await edgeOf('plant-b', files.presses)]
  const users = join(folder, 'users.json')
  await new Users(users).put('anna', 'operator', 'correct horse battery')
  const locked = new Console({
    options: consoleOptions.parse({ listen: '127.0.0.1:0', users }),
    stateDir: join(folder, 'locked'),
    sides: { core: core.calls },
    version: VERSION,
    clock: systemClock,
    logger: silentLogger,
  })
  const urls = { core: core.consoleUrl ?? '', edge: edges[0]?.consoleUrl ?? '', locked: await locked.start() }
  return {
    urls,
    async stop() {
      await locked.stop()
      for (const edge of edges) await edge.stop()
      await core.stop()
    },
  }
}

async function shoot(options: { only?: string; after: number }): Promise<void> {
  const wanted = options.only?.split(',')
  const folder = mkdtempSync(join(tmpdir(), 'headrace-screenshots-'))
  mkdirSync(IMAGES, { recursive: true })
  const plant = await startPlant(folder)
  const { urls, stop } = await scene(folder, plant)
  const browser = await launchChromium()
  try {
    await pause(systemClock, options.after)
    await actOn(urls.core)
    let bytes = 0
    for (const look of Object.keys(LOOKS) as Look[]) {
      const pages = Object.entries(PAGES).filter(
        ([name, { looks }]) => looks.includes(look) && (!wanted || wanted.includes(name)),
      )
      const open = await Promise.all(
        pages.map(async ([name, { of, hash }]) => {
          // Each by itself: a browser has six connections to a server for all tabs of one context.
          const context = await browser.newContext({ ...LOOKS[look], reducedMotion: 'reduce' })
          const page = await context.newPage()
          await page.goto(`${urls[of]}/${hash}`)
          return { name, page, context }
        }),
      )
      await pause(systemClock, SETTLE_MS)
      for (const { name, page, context } of open) {
        bytes += await save(page, `console-${name}-${look}.png`)
        await context.close()
      }
    }
    process.stdout.write(`${Math.round(bytes / 1_024)} KiB in all\n`)
  } finally {
    await browser.close()
    await stop()
    await plant.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** What people have done before the pictures are taken: with the console's own calls, so that it is among the changes as well. */
async function actOn(url: string): Promise<void> {
  const { csrf } = (await (await fetch(`${url}/api/session`)).json()) as { csrf: string }
  const post = async (path: string, body: object = {}) => {
    const headers = { 'content-type': 'application/json', 'x-headrace-csrf': csrf }
    await fetch(`${url}/api/core/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  }
  await post('batch/presses.load-warehouse/run')
  await post('silences', { analyser: 'still', source: 'press-*', for_ms: 7_200_000, reason: 'bearing of press 3 is changed' })
  const alerts = (await (await fetch(`${url}/api/core/alerts`)).json()) as { key: string; stands: boolean }[]
  const standing = alerts.find(({ stands }) => stands)
  if (standing) await post('alerts/acknowledge', { key: standing.key, note: 'on my way' })
  await post('batch/presses.nightly/run')
}

async function save(page: Page, name: string): Promise<number> {
  const path = join(IMAGES, name)
  await page.screenshot({ path })
  const { size } = statSync(path)
  process.stdout.write(`${name} ${Math.round(size / 1_024)} KiB\n`)
  return size
}

await shoot(
  readArguments(
    new Command('npm run screenshots --')
      .description('Makes the pictures of the console that docs/console.md shows.')
      .option('--only <pages>', 'these pages, by name, with commas')
      .addOption(
        new Option('--after <duration>', 'how long the plant runs before').argParser(duration(0)).default(150_000, '150s'),
      ),
  ),
)
