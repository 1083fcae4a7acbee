import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Up } from '../cli/up-process.ts'
import { until } from '../support/until.ts'
import { launchChromium, openPage } from './chromium.ts'
import { becomesLive, consoleUrlOf, recordsOf } from './console-page.ts'
import { serious } from './serious.ts'

const SOURCES = 1_000
const ROWS_ON_A_PAGE = 100

let browser: Browser
let up: Up
beforeAll(async () => {
  const names = Array.from({ length: SOURCES }, (_, index) => `s-${String(index).padStart(4, '0')}`)
  up = new Up(
    `pipeline: plant\nsources:\n${names.map(name => `  ${name}: { generator: { records_per_second: 1 } }`).join('\n')}\n`,
  )
  browser = await launchChromium()
  await up.start()
})
afterAll(async () => {
  await browser?.close()
  await up?.end()
})

test('a thousand sources are counted, turned over, found, and kept up with', async () => {
  const { page, errors } = await openPage(browser)
  await page.goto(consoleUrlOf(up))
  await becomesLive(page)
  const table = page.getByRole('region', { name: 'Sources' })
  const rows = table.locator('tbody tr')
  await page.getByText('1 to 100 of 1,000').waitFor({ timeout: 60_000 })
  expect(await rows.count()).toBe(ROWS_ON_A_PAGE)
  const before = await recordsOf(page, 's-0000')
  await until('they go on', async () => (await recordsOf(page, 's-0000')) > before + 3, 60_000)
  expect(await serious(page)).toEqual([])

  const next = page.getByRole('button', { name: 'Next' })
  for (let turned = 1; turned < SOURCES / ROWS_ON_A_PAGE; turned++) await next.click()
  await page.getByText('901 to 1,000 of 1,000').waitFor()
  await table.getByText('plant-a-1/s-0999').waitFor()
  // At the end it stays where it is, and keeps the focus.
  await next.focus()
  await page.keyboard.press('Enter')
  expect(await next.evaluate(element => element.matches(':focus'))).toBe(true)
  await page.getByText('901 to 1,000 of 1,000').waitFor()
  expect(await rows.count()).toBe(ROWS_ON_A_PAGE)

  await page.getByRole('searchbox', { name: 'Find a source' }).fill('s-0042')
  await until('one is left', async () => (await rows.count()) === 1)
  await table.getByText('plant-a-1/s-0042').waitFor()
  await page.getByRole('searchbox', { name: 'Find a source' }).fill('none of them')
  await page.getByText('None of them fits').waitFor()
  expect(errors).toEqual([])
  await page.context().close()
}, 240_000)
