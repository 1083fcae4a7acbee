import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createJob, jobPlans } from '../../src/cli/readers.ts'
import type { LoadedPipeline } from '../../src/config/load.ts'
import { loadPipelines } from '../../src/config/load.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { JobWorld, runNow } from '../reader/job-world.ts'
import { Postgres } from '../support/postgres.ts'

const PAGE = readFileSync(new URL('../../docs/batch.md', import.meta.url), 'utf8')
const CHILD = fileURLToPath(new URL('../fault/batch-child.ts', import.meta.url))
const RECORDS = 20

interface Recipe {
  readonly title: string
  readonly files: ReadonlyMap<string, string>
  readonly check: string
}

/** The recipes of a page: below `## Recipes`, under a heading each, their files in fenced blocks that are named behind the language. */
function recipesOf(page: string): Recipe[] {
  const [, part = ''] = page.split('\n## Recipes\n')
  return part
    .split('\n### ')
    .slice(1)
    .map(text => {
      const blocks = new Map([...text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, name = '', body = '']) => [name, body]))
      const check = blocks.get('check') ?? ''
      blocks.delete('check')
      return { title: text.split('\n')[0] ?? '', files: blocks, check }
    })
}

const RECIPES = recipesOf(PAGE)

let world: JobWorld
let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
  Object.assign(process.env, postgres.environment)
})
afterAll(() => postgres?.stop())
beforeEach(async () => {
  world = await new JobWorld().open()
})
afterEach(() => world.close())

function write({ files }: Recipe): LoadedPipeline[] {
  for (const [name, text] of files) {
    writeFileSync(world.path(name), text)
    if (text.startsWith('#!')) chmodSync(world.path(name), 0o755)
  }
  return loadPipelines([world.path('pipeline.yaml')])
}

/** Twenty readings of each source; one of them has no temperature where bad records are what it is about. */
async function layFor(pipelines: readonly LoadedPipeline[], title: string): Promise<void> {
  const [pipeline] = pipelines
  const bad = title.startsWith('Bad') ? 7 : -1
  const values = Array.from({ length: RECORDS }, (_, index) =>
    JSON.stringify(index === bad ? { bar: 1.5 } : { temp_c: index, bar: 1.5 }),
  )
  for (const source of Object.keys(pipeline?.config.sources ?? {}))
    await world.lay({ gateway: 'g', source }, values, undefined, pipeline?.topic)
}

test('the page has recipes, each with a pipeline and a check that looks at something', () => {
  expect(RECIPES.length).toBeGreaterThanOrEqual(4)
  for (const { files, check } of RECIPES) expect([files.has('pipeline.yaml'), check.trim() !== '']).toEqual([true, true])
})

test.each(RECIPES.map(recipe => [recipe.title, recipe] as const))('%s', async (title, recipe) => {
  const pipelines = write(recipe)
  await layFor(pipelines, title)
  const deps = { log: world.log, ledger: world.ledger, clock: systemClock, random: Math.random, logger: silentLogger }
  const rest = { alarms: world.alarms, name: 'core', stateDir: world.path('state') }
  const jobs = jobPlans(pipelines).map(plan => createJob(plan, { ...deps, ...rest }))
  const check = () => spawnSync('sh', ['-e', '-c', recipe.check], { cwd: world.folder, encoding: 'utf8' })
  expect(check().status, 'the check holds before anything was run: it shows nothing').not.toBe(0)
  for (const job of jobs) await runNow(job)
  const { status, stdout, stderr } = check()
  expect(status, `${stdout}${stderr}${JSON.stringify(world.alarms.list())}`).toBe(0)
})

test('PostgreSQL has each record once when the core is killed between its commit and ours', async () => {
  const recipe = RECIPES.find(({ title }) => title.startsWith('PostgreSQL'))
  if (!recipe) throw new Error('the recipe is gone')
  postgres.query('DROP TABLE IF EXISTS readings, offsets')
  const [pipeline] = write(recipe)
  const options = { ...pipeline?.config.batch['load'], time_limit: '60s' }
  for (const source of ['meter-1', 'meter-2']) await world.lay({ gateway: 'g', source }, ['1', '2', '3'])
  const run = (dieAt: string) =>
    new Promise<string>(resolve => {
      const child = spawn(
        process.execPath,
        [CHILD, world.folder, JSON.stringify(world.logIs), JSON.stringify({ input: 'csv', run: options.run }), dieAt],
        {
          stdio: 'inherit',
        },
      )
      child.once('exit', (code, signal) => resolve(signal ?? String(code)))
    })
  expect(await run('exited')).toBe('SIGKILL')
  expect(postgres.query('SELECT count(*) FROM readings')).toBe('6')
  expect(world.offsets()).toEqual({})
  expect(await run('')).toBe('0')
  expect(postgres.query('SELECT count(*) FROM readings')).toBe('6')
  await world.lay({ gateway: 'g', source: 'meter-1' }, ['4'])
  expect(await run('')).toBe('0')
  expect(postgres.query("SELECT string_agg(value, ' ' ORDER BY source, seq) FROM readings")).toBe('1 2 3 4 1 2 3')
  expect(postgres.query('SELECT sum(next) FROM offsets')).toBe('7')
})
