import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stateOf } from '../../src/cli/where.ts'
import { ConfigDocument } from '../../src/config/document.ts'
import { coreOf, edgeOf } from '../../src/config/load.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-state-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function written(name: string, text: string): string {
  mkdirSync(join(folder, 'etc'), { recursive: true })
  const file = join(folder, 'etc', name)
  writeFileSync(file, text)
  // As somebody names it who is in another folder.
  return relative(process.cwd(), file)
}

test('a command looks for the state where the process keeps it: from where the configuration lies, not from where the command is given', () => {
  const file = written('edge.yaml', 'gateway: g\nstate: state\nuplink: { url: "amqp://core:5672" }\npipelines: [p.yaml]\n')
  const { state } = edgeOf(ConfigDocument.read(file))
  expect(state).toBe(join(folder, 'etc/state'))
  expect(stateOf({ config: file })).toBe(state)
  expect(stateOf({ config: file, state: 'elsewhere' })).toBe('elsewhere')
  expect(stateOf({})).toBe('./.headrace')
})

test('the folder of an authority is meant from where core.yaml lies', () => {
  const file = written('core.yaml', 'state: state\nlog: { sqlite: {} }\nca: { folder: authority }\npipelines: [p.yaml]\n')
  expect(coreOf(ConfigDocument.read(file))).toMatchObject({
    state: join(folder, 'etc/state'),
    ca: { folder: join(folder, 'etc/authority') },
  })
})
