import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Console } from '../../src/console/console.ts'
import { control } from '../../src/console/control-client.ts'
import { consoleOptions } from '../../src/console/options.ts'
import { Users } from '../../src/console/users.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { GATEWAY, Up } from '../cli/up-process.ts'
import { until } from '../support/until.ts'
import { launchChromium, openPage } from './chromium.ts'
import { becomesLive, consoleUrlOf, recordsOf } from './console-page.ts'
import { serious } from './serious.ts'

const MARKUP = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
const PASSWORD = 'correct horse battery'
const PIPELINE = `pipeline: plant
sources:
  a: { generator: { records_per_second: 20 } }
  b: { generator: { records_per_second: 5, payload_file: payload } }
batch:
  load: { input: ndjson, run: [sh, -c, "cat > /dev/null"] }
analysers:
  too-many: { sources: [a], every: 1s, when: "count(n) > 0", alert: { command: ["true"] } }
`

/** One browser and one process for all of them: each test has a window of its own. */
let browser: Browser
let up: Up
let url: string
beforeAll(async () => {
  up = new Up(PIPELINE)
  // What a device says is data, whatever it looks like.
  writeFileSync(join(up.folder, 'payload'), `{"text":${JSON.stringify(MARKUP)},"level":1}\n`)
  const started = up.start()
  browser = await launchChromium()
  await started
  url = consoleUrlOf(up)
})
afterAll(async () => {
  await browser?.close()
  await up?.end()
})

describe.each([
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
  ['dark, on a phone', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
] as const)('in a browser, %s', (_name, options) => {
  test('every page shows what flows, nothing is serious to a screen reader, and markup of a device stays text', async () => {
    const { page, errors } = await openPage(browser, options)
    await page.goto(url)
    await until('records are counted', async () => (await recordsOf(page, '/a')) > 0)
    const before = await recordsOf(page, '/a')
    await until('and go on by themselves', async () => (await recordsOf(page, '/a')) > before)
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
      ['Changes', 'Who asked for what'],
    ] as const) {
      await page.getByRole('link', { name }).click()
      await page.getByText(shows).first().waitFor()
      expect([name, ...(await serious(page))]).toEqual([name])
    }
    expect(errors).toEqual([])
    // What would be serious to a screen reader, or wider than the window, is found.
    await page.evaluate(`document.querySelector('main').append(document.createElement('button'))
      document.querySelector('main').firstElementChild.style.width = '1900px'`)
    expect(await serious(page)).toEqual([['button-name', expect.any(String)], 'the page is wider than its window'])
    await page.context().close()
  })
})

/** Goes on with the Tab key until what has the focus is it. */
async function tabTo(page: Page, tag: string, text: string): Promise<void> {
  await until(`the focus comes to ${tag} "${text}"`, async () => {
    await page.keyboard.press('Tab')
    return page.evaluate(
      `document.activeElement.tagName === ${JSON.stringify(tag)} && document.activeElement.textContent === ${JSON.stringify(text)}`,
    )
  })
}

test('with the keyboard alone a job is found and run, and its run is there', async () => {
  const { page, errors } = await openPage(browser)
  await page.goto(url)
  await becomesLive(page)
  // `up` is for this machine alone: whoever is on it may act.
  expect(await page.getByRole('button', { name: /Log out/ }).count()).toBe(0)
  await tabTo(page, 'A', 'Skip to content')
  await tabTo(page, 'A', 'Batch jobs')
  await page.keyboard.press('Enter')
  await page.getByText('plant.load').waitFor()
  await tabTo(page, 'BUTTON', 'Run now')
  await page.keyboard.press('Enter')
  await page.getByText(/^done/).first().waitFor()
  await tabTo(page, 'A', 'plant.load')
  await page.keyboard.press('Enter')
  await page.getByText('plant-a-1/a [0,').waitFor()
  await page.getByText('attempt 1 of run').waitFor()
  expect(await serious(page)).toEqual([])
  expect(errors).toEqual([])
  await page.context().close()
})

/** A console of its own before the process that runs, as one that is configured otherwise would be. */
async function anotherConsole(side: 'core' | 'edge', calls: readonly string[], options: object): Promise<[Console, string]> {
  const socket = join(up.state, side, 'control.sock')
  const asked = calls.map(call => [call, (args: Readonly<Record<string, unknown>>) => control(socket, call, args)])
  const made = new Console({
    options: consoleOptions.parse({ listen: '127.0.0.1:0', ...options }),
    stateDir: join(up.folder, `console-${side}`),
    sides: { [side]: Object.fromEntries(asked) },
    version: '0',
    clock: systemClock,
    logger: silentLogger,
  })
  return [made, await made.start()]
}

test('a gateway shows by itself what it reads, what waits, and its link, and has no page that only a core can fill', async () => {
  const [own, ownUrl] = await anotherConsole('edge', ['status'], {})
  const { page, errors } = await openPage(browser, { viewport: { width: 390, height: 844 } })
  await page.goto(ownUrl)
  await until('records are counted', async () => (await recordsOf(page, '/a')) > 0)
  await page.getByText('sending').first().waitFor()
  expect(await page.getByRole('link', { name: /Pipelines|Batch jobs|Analysers|Partitions/ }).count()).toBe(0)
  expect(await serious(page)).toEqual([])
  await page.getByRole('link', { name: `${GATEWAY}/a` }).click()
  await page.getByText('Records are shown by the core').waitFor()
  expect(await serious(page)).toEqual([])
  expect(errors).toEqual([])
  await page.context().close()
  await own.stop()
})

test('log-in: wrong, right, a viewer has no button, and out again', async () => {
  const users = join(up.folder, 'users.json')
  await new Users(users).put('bert', 'viewer', PASSWORD)
  const [locked, lockedUrl] = await anotherConsole('core', ['status', 'batch.run'], { users })
  const { page: guest } = await openPage(browser)
  await guest.goto(`${lockedUrl}/#/jobs`)
  await guest.getByLabel('Name').fill('bert')
  await guest.getByLabel('Password').fill('wrong')
  await guest.getByRole('button', { name: 'Log in' }).click()
  await guest.getByText('name or password are wrong').waitFor()
  expect(await serious(guest)).toEqual([])
  await guest.getByLabel('Password').fill(PASSWORD)
  await guest.getByRole('button', { name: 'Log in' }).click()
  await guest.getByText('plant.load').waitFor()
  expect(await guest.getByRole('button', { name: 'Run now' }).isDisabled()).toBe(true)
  await guest.getByRole('button', { name: 'Log out bert' }).click()
  await guest.getByLabel('Password').waitFor()
  await guest.context().close()
  await locked.stop()
})

test('while the process is killed the page says so, and when it is back it goes on', async () => {
  const { page, errors } = await openPage(browser)
  await page.goto(url)
  await becomesLive(page)
  await up.process.kill9()
  await page.getByText('connection lost').waitFor()
  await up.start()
  // Its port is another one after a restart: the address of somebody who comes back by what the process prints.
  await page.goto(consoleUrlOf(up))
  await becomesLive(page)
  expect(errors).toEqual([])
  await page.context().close()
})
