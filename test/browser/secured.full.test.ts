import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Users } from '../../src/console/users.ts'
import { TestAuthority } from '../support/certificates.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { launchChromium, openPage } from './chromium.ts'
import { serious } from './serious.ts'

const PASSWORD = 'correct horse battery'
const PIPELINE = `pipeline: plant
retention: { age: 30d }
sources:
  a: { generator: { records_per_second: 20 } }
  b: { generator: { records_per_second: 5 } }
batch:
  load: { input: ndjson, run: [sh, -c, "wc -l; echo loaded"] }
analysers:
  too-many: { sources: [a], every: 1s, when: "count(n) > 0", alert: { command: [./tell.sh] } }
`

let folder: string
let browser: Browser
let core: HeadraceProcess
let edge: HeadraceProcess
let url: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-secured-'))
  browser = await launchChromium()
  const { cert, key } = new TestAuthority(folder).issue('localhost')
  const users = join(folder, 'users.json')
  await new Users(users).put('anna', 'operator', PASSWORD)
  await new Users(users).put('bert', 'viewer', PASSWORD)
  writeFileSync(join(folder, 'p.yaml'), PIPELINE)
  writeFileSync(join(folder, 'tell.sh'), '#!/bin/sh\ncat >> told\n', { mode: 0o755 })
  const [console, amqp] = [await freePort(), await freePort()]
  url = `https://127.0.0.1:${console}`
  writeFileSync(
    join(folder, 'core.yaml'),
    `state: ${join(folder, 'core')}
log: { sqlite: {} }
ingress: { listen: "amqp://127.0.0.1:${amqp}" }
console: { listen: "0.0.0.0:${console}", hosts: [127.0.0.1], tls: { cert: ${cert}, key: ${key} }, users: ${users} }
pipelines: [p.yaml]
`,
  )
  writeFileSync(
    join(folder, 'edge.yaml'),
    `gateway: plant-a
state: ${join(folder, 'edge')}
uplink: { url: "amqp://127.0.0.1:${amqp}" }
pipelines: [p.yaml]
`,
  )
  const processOf = (role: string) =>
    new HeadraceProcess({
      name: role,
      args: [role, '--config', join(folder, `${role}.yaml`)],
      logPath: join(folder, `${role}.log`),
    })
  core = processOf('core')
  edge = processOf('edge')
  core.start()
  edge.start()
})
afterEach(async () => {
  await browser.close()
  await edge.end()
  await core.end()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

async function logIn(name: string): Promise<{ page: Page; errors: string[] }> {
  const opened = await openPage(browser, { ignoreHTTPSErrors: true })
  const { page } = opened
  await until('the console answers', async () => (await page.goto(url).catch(() => null))?.ok(), 60_000)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(PASSWORD)
  expect(await serious(page)).toEqual([])
  await page.getByRole('button', { name: 'Log in' }).click()
  await until('it is live', async () => (await page.locator('#live').textContent()) === 'live')
  return opened
}

const told = () => readFileSync(join(folder, 'told'), 'utf8').trim().split('\n').length
const audit = () =>
  readFileSync(join(folder, 'core', 'core', 'console-audit.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { user: string; what: string; status: number; given: Record<string, unknown> })

test('over TLS an operator acknowledges, silences and runs; a viewer looks on; all of it is in the audit log', async () => {
  const { page, errors } = await logIn('anna')
  await page.getByRole('link', { name: 'Analysers' }).click()
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByText('anna takes care of it').waitFor()
  await page.getByRole('article').getByRole('button', { name: 'Silence…' }).click()
  await page.getByLabel('Reason').fill('bearing is changed')
  expect(await serious(page)).toEqual([])
  await page.locator('form').getByRole('button', { name: 'Silence' }).click()
  await page.getByText('bearing is changed').waitFor()
  expect(told()).toBe(1)

  await page.getByRole('link', { name: 'Batch jobs' }).click()
  await page.getByRole('link', { name: 'plant.load' }).click()
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.locator('pre.log', { hasText: 'loaded' }).waitFor()
  await page.getByText('plant-a/a [0,').waitFor()
  expect(await serious(page)).toEqual([])

  const withoutToken = await page.evaluate("fetch('/api/core/batch/load/run', { method: 'POST' }).then(each => each.status)")
  expect(withoutToken).toBe(403)
  expect(audit().map(({ user, what, status }) => [user, what, status])).toEqual([
    ['anna', 'POST /api/core/alerts/acknowledge', 200],
    ['anna', 'POST /api/core/silences', 200],
    ['anna', 'POST /api/core/batch/plant.load/run', 200],
    ['anna', 'POST /api/core/batch/load/run', 403],
  ])
  expect(audit()[1]?.given).toMatchObject({ analyser: 'plant.too-many', source: 'plant-a/a', reason: 'bearing is changed' })

  const { page: viewer } = await logIn('bert')
  await viewer.getByRole('link', { name: 'Analysers' }).click()
  await viewer.getByText('anna takes care of it').waitFor()
  for (const button of await viewer.getByRole('button', { name: /Silence|End/ }).all())
    expect(await button.isDisabled()).toBe(true)
  expect(errors).toEqual([])
})

test('while gateway and core are killed and come back the page says so, and silences are still there', async () => {
  const { page, errors } = await logIn('anna')
  const link = page.getByRole('region', { name: 'Gateways' }).locator('tbody tr').first()
  await link.getByText('session').waitFor()
  await edge.kill9()
  await link.getByText('not connected').waitFor()
  edge.start()
  await link.getByText('session').waitFor()
  const made = await page.evaluate(`(async () => {
    const { csrf } = await (await fetch('/api/session')).json()
    const headers = { 'content-type': 'application/json', 'x-headrace-csrf': csrf }
    return (await fetch('/api/core/silences', { method: 'POST', headers, body: JSON.stringify({ for_ms: 3600000 }) })).status
  })()`)
  expect(made).toBe(200)
  await core.kill9()
  await page.getByText('connection lost').waitFor()
  core.start()
  // Who is logged in is kept in memory: a core that comes back asks again.
  await page.getByLabel('Password').waitFor({ timeout: 60_000 })
  await page.getByLabel('Name').fill('anna')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
  await link.getByText('session').waitFor({ timeout: 60_000 })
  await page.getByRole('link', { name: 'Analysers' }).click()
  await page.getByRole('region', { name: 'Silences' }).getByText('anna').waitFor()
  expect(errors).toEqual([])
})
