/**
 * `npm run screenshots`: every page of the console as docs/images shows it, in light and dark and on a phone, of a core and two gateways that really
 * run. `--only overview,source` makes some of them; `--after 30s` does not wait for the history to fill.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import type { Page } from 'playwright-core'
import { CoreProcess } from '../src/cli/core-process.ts'
import { EdgeProcess } from '../src/cli/edge-process.ts'
import { coreSchema } from '../src/config/core.ts'
import { edgeSchema } from '../src/config/edge.ts'
import { loadPipelines } from '../src/config/load.ts'
import { pause, systemClock } from '../src/runtime/clock.ts'
import { silentLogger } from '../src/runtime/logger.ts'
import { parseDurationMs } from '../src/runtime/units.ts'
import { launchChromium } from '../test/browser/chromium.ts'
import { type Plant, startPlant } from './demo/plant.ts'

const IMAGES = fileURLToPath(new URL('../docs/images', import.meta.url))
/** Pages settle: streams begin, rates are taken over some seconds. */
const SETTLE_MS = 9_000
const LOOKS = [
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 860 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 860 } }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
] as const
const PAGES: Readonly<Record<string, string>> = {
  overview: '#/',
  source: '#/source/plant-a/compressor',
  pipelines: '#/pipelines',
  jobs: '#/jobs',
  job: '#/jobs/plant.to-file',
  analysers: '#/analysers',
  partitions: '#/partitions',
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
      edgeSchema.parse({ gateway, state: join(folder, gateway), uplink: { url: core.url }, pipelines: [file] }),
      loadPipelines([file]),
      silentLogger,
    )
  const edges = [await edgeOf('plant-a', files.plant), await edgeOf('plant-b', files.presses)]
  return {
    core,
    async stop() {
      for (const edge of edges) await edge.stop()
      await core.stop()
    },
  }
}

async function shoot(options: { only?: string; after: string }): Promise<void> {
  const wanted = options.only?.split(',')
  const folder = mkdtempSync(join(tmpdir(), 'headrace-screenshots-'))
  mkdirSync(IMAGES, { recursive: true })
  const plant = await startPlant(folder)
  const { core, stop } = await scene(folder, plant)
  const browser = await launchChromium()
  try {
    await pause(systemClock, parseDurationMs(options.after) ?? 0)
    await core.calls['alerts.silence']?.(
      { analyser: 'still', source: 'press-*', for_ms: 7_200_000, reason: 'bearing of press 3 is changed', by: 'anna' },
      new AbortController().signal,
    )
    let bytes = 0
    for (const [look, viewOptions] of LOOKS) {
      const pages = Object.entries(PAGES).filter(([name]) => !wanted || wanted.includes(name))
      const open = await Promise.all(
        pages.map(async ([name, hash]) => {
          // Each by itself: a browser has six connections to a server for all tabs of one context.
          const context = await browser.newContext({ ...viewOptions, reducedMotion: 'reduce' })
          const page = await context.newPage()
          await page.goto(`${core.consoleUrl}/${hash}`)
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

async function save(page: Page, name: string): Promise<number> {
  const path = join(IMAGES, name)
  await page.screenshot({ path })
  const { size } = statSync(path)
  process.stdout.write(`${name} ${Math.round(size / 1_024)} KiB\n`)
  return size
}

const command = new Command('npm run screenshots --')
  .description('Makes the pictures of the console that docs/console.md shows.')
  .option('--only <pages>', 'these pages, by name, with commas')
  .option('--after <duration>', 'how long the plant runs before', '150s')
  .action(shoot)
await command.parseAsync()
