import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'

describe('headrace acls, of a core that names no pipelines (its gateways have them)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-acls-'))
  const core = join(folder, 'core.yaml')
  const pipeline = join(folder, 'cold-store.yaml')
  beforeAll(() => {
    writeFileSync(core, `state: ${folder}/state\nlog: { kafka: { brokers: ["kafka:9093"] } }\n`)
    writeFileSync(pipeline, 'pipeline: cold-store\nsources: { a: { generator: {} } }\n')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('printed a command without a resource, which kafka-acls refuses: it asks for them', async () => {
    const { code, stdout, stderr } = await headrace(['acls', '--config', core])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('no pipelines')
  })

  test('takes them as arguments', async () => {
    const { code, stdout } = await headrace(['acls', '--config', core, pipeline])
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines).toContainEqual(expect.stringMatching(/--operation Write .*--topic cold-store$/))
    for (const line of lines) expect(line).toMatch(/ --(topic|group|cluster)\b/)
  })
})
