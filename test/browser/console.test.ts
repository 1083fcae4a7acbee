import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Users } from '../../src/console/users.ts'
import { Up } from '../cli/up-process.ts'
import { until } from '../support/until.ts'
import { launchChromium, openPage } from './chromium.ts'
import { serious } from './serious.ts'

const MARKUP = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
const SOURCES_MANY = 1_000
/** How long the page's script held the browser up since it was opened, ms each (Long Tasks API). */
const LONG_TASKS = `new Promise(resolve => {
  const take = list => resolve(list.getEntries().map(each => each.duration))
  new PerformanceObserver(take).observe({ type: 'longtask', buffered: true })
  setTimeout(() => resolve([]), 500)
})`

let browser: Browser
let up: Up
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())
afterEach(() => up?.end())

function urlOf(process: Up): string {
  const found = [...readFileSync(process.process.logPath, 'utf8').matchAll(/See it at (http:\S+?),/g)].at(-1)?.[1]
  if (found === undefined) throw new Error('it does not say where its console is')
  return found
}

async function start(sources: string): Promise<string> {
  up = new Up(
    `pipeline: plant
sources:
${sources}
batch:
  load: { input: ndjson, run: [sh, -c, "cat > /dev/null"] }
analysers:
  too-many: { sources: [a], every: 1s, when: "count(n) > 0", alert: { command: ["true"] } }
`,
  )
  // What a device says is data, whatever it looks like.
  writeFileSync(join(up.folder, 'payload'), `{"text":${JSON.stringify(MARKUP)},"level":1}\n`)
  await up.start()
  return urlOf(up)
}

const TWO = () => `  a: { generator: { records_per_second: 20 } }
  b: { generator: { records_per_second: 5, payload_file: "PAYLOAD" } }`

async function startTwo(): Promise<string> {
  const path = join('/tmp', `headrace-payload-${process.pid}`)
  writeFileSync(path, `{"text":${JSON.stringify(MARKUP)},"level":1}\n`)
  return start(TWO().replace('PAYLOAD', path))
}

const recordsIn = async (page: Page) =>
  Number((await page.locator('tr', { hasText: '/a' }).locator('td').nth(4).textContent())?.replaceAll(',', ''))

describe.each([
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
  ['dark, on a phone', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
] as const)('in a browser, %s', (_name, options) => {
  test('every page shows what flows, nothing is serious to a screen reader, and markup of a device stays text', async () => {
    const url = await startTwo()
    const { page, errors } = await openPage(browser, options)
    await page.goto(url)
    await until('records are counted', async () => (await recordsIn(page)) > 0)
    const before = await recordsIn(page)
    await until('and go on by themselves', async () => (await recordsIn(page)) > before)
    expect(await serious(page)).toEqual([])

    await page.getByRole('link', { name: /\/b$/ }).click()
    await page.getByText('onerror', { exact: false }).first().waitFor()
    expect(await page.evaluate('window.pwned')).toBeUndefined()
    expect(await page.locator('main img').count()).toBe(0)
    expect(await serious(page)).toEqual([])

    for (const [name, shows] of [
      ['Pipelines', 'gateway buffer'],
      ['Batch jobs', 'plant.load'],
      ['Analysers', 'too-many'],
      ['Partitions', 'plant-a-1/b'],
    ] as const) {
      await page.getByRole('link', { name }).click()
      await page.getByText(shows).first().waitFor()
      expect([name, ...(await serious(page))]).toEqual([name])
    }
    await page.goto(`${url}/#/jobs/plant.load`)
    await page.getByText('It never ran').waitFor()
    expect(await serious(page)).toEqual([])
    expect(errors).toEqual([])
    await page.context().close()
  })
})

test('a job is run by its button, with the keyboard, and its run is there', async () => {
  const url = await startTwo()
  const { page, errors } = await openPage(browser)
  await page.goto(`${url}/#/jobs`)
  const button = page.getByRole('button', { name: 'Run now' })
  await button.focus()
  await page.keyboard.press('Enter')
  await page.getByText(/^done/).first().waitFor()
  await page.getByRole('link', { name: 'plant.load' }).click()
  await page.getByText('plant-a-1/a [0,').waitFor()
  await page.getByText('attempt 1 of run').waitFor()
  expect(errors).toEqual([])
  await page.context().close()
})

test('while the process is killed the page says so, and when it is back it goes on', async () => {
  const url = await startTwo()
  const { page, errors } = await openPage(browser)
  await page.goto(url)
  await until('it is live', async () => (await page.locator('#live').textContent()) === 'live')
  await up.process.kill9()
  await page.getByText('connection lost').waitFor()
  await up.start()
  // Its port is another one after a restart: the address of somebody who comes back by what the process prints.
  await page.goto(urlOf(up))
  await until('it is live again', async () => (await page.locator('#live').textContent()) === 'live')
  expect(errors).toEqual([])
  await page.context().close()
})

test('a thousand sources are shown, found and kept up with', async () => {
  const many = Array.from(
    { length: SOURCES_MANY },
    (_, index) => `  s-${String(index).padStart(4, '0')}: { generator: { records_per_second: 1 } }`,
  )
  const url = await start(['  a: { generator: { records_per_second: 5 } }', ...many].join('\n'))
  const { page, errors } = await openPage(browser)
  await page.goto(url)
  const rows = page.getByRole('region', { name: 'Sources' }).locator('tbody tr')
  await until('all rows are there', async () => (await rows.count()) === SOURCES_MANY + 1, 60_000)
  const before = await recordsIn(page)
  await until('it goes on for some seconds', async () => (await recordsIn(page)) > before + 25, 60_000)
  const tasks = (await page.evaluate(LONG_TASKS)) as number[]
  console.log(
    `1,001 sources: ${tasks.length} tasks over 50 ms since the page was opened, the longest ${Math.round(Math.max(0, ...tasks))} ms`,
  )
  await page.getByRole('searchbox', { name: 'Find a source' }).fill('s-0042')
  await until('one is left', async () => (await rows.locator('visible=true').count()) === 1)
  expect(errors).toEqual([])
  await page.context().close()
}, 240_000)

test('log-in: wrong, right, a viewer has no button, and out again', async () => {
  const url = await startTwo()
  const { page } = await openPage(browser)
  await page.goto(url)
  // `up` is for this machine alone: whoever is on it may act.
  expect(await page.getByRole('button', { name: /Log out/ }).count()).toBe(0)
  await page.context().close()
  const users = join(up.folder, 'users.json')
  await new Users(users).put('bert', 'viewer', 'correct horse battery')
  const { Console } = await import('../../src/console/console.ts')
  const { consoleOptions } = await import('../../src/console/options.ts')
  const { systemClock } = await import('../../src/runtime/clock.ts')
  const { silentLogger } = await import('../../src/runtime/logger.ts')
  const { control } = await import('../../src/console/control-client.ts')
  const socket = join(up.state, 'core', 'control.sock')
  // A console of its own before the same core, for those who are not on its machine.
  const locked = new Console({
    options: consoleOptions.parse({ listen: '127.0.0.1:0', users }),
    stateDir: up.folder,
    sides: { core: { status: () => control(socket, 'status'), 'batch.run': args => control(socket, 'batch.run', args) } },
    version: '0',
    clock: systemClock,
    logger: silentLogger,
  })
  const lockedUrl = await locked.start()
  const { page: guest } = await openPage(browser)
  await guest.goto(`${lockedUrl}/#/jobs`)
  await guest.getByLabel('Name').fill('bert')
  await guest.getByLabel('Password').fill('wrong')
  await guest.getByRole('button', { name: 'Log in' }).click()
  await guest.getByText('name or password are wrong').waitFor()
  await guest.getByLabel('Password').fill('correct horse battery')
  await guest.getByRole('button', { name: 'Log in' }).click()
  await guest.getByText('plant.load').waitFor()
  expect(await guest.getByRole('button', { name: 'Run now' }).isDisabled()).toBe(true)
  await guest.getByRole('button', { name: 'Log out bert' }).click()
  await guest.getByLabel('Password').waitFor()
  await guest.context().close()
  await locked.stop()
})
