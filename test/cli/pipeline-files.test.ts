import { globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesLike, filesOf } from '../../src/cli/pipeline-files.ts'
import { loadEdge } from '../../src/config/load.ts'

const FILES = [
  'a.yaml',
  'b.yaml',
  'a.yml',
  '.hidden.yaml',
  'a+b.yaml',
  'axyaml',
  'with space.yaml',
  'ä.yaml',
  'sub/c.yaml',
  'sub/deep/d.yaml',
]
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-files-'))
  mkdirSync(join(folder, 'sub/deep'), { recursive: true })
  for (const file of FILES) writeFileSync(join(folder, file), '')
  symlinkSync('nowhere', join(folder, 'broken.yaml'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  '*.yaml',
  '*',
  'a*',
  'a*b.yaml',
  '*a*',
  'a.yaml',
  'none.yaml',
  'none/*.yaml',
  '.*.yaml',
  'sub/*.yaml',
  '*/c.yaml',
  '**/*.yaml',
  '{a,b}.yaml',
  '?.yaml',
  '[ab].yaml',
  './*.yaml',
  'sub/../*.yaml',
  'sub/',
  'with space.*',
])('%s is what Node makes of it', pattern => {
  const whole = `${folder}/${pattern}`
  expect(filesLike(whole)).toEqual(globSync(whole).sort())
})

test('patterns are seen from the folder of the file that names them', () => {
  expect(filesOf(join(folder, 'edge.yaml'), ['sub/*.yaml', join(folder, 'b.yaml')])).toEqual(
    ['edge.yaml', 'sub/c.yaml', 'b.yaml'].map(name => join(folder, name)),
  )
})

test('a folder whose name looks like a pattern is none, nor is the name of a file that is there', () => {
  const odd = join(folder, 'plant [a] {1}')
  mkdirSync(odd)
  for (const file of ['p.yaml', 'q [2].yaml']) writeFileSync(join(odd, file), 'pipeline: p\n')
  const edge = 'gateway: g\nstate: s\nuplink: { url: "amqp://127.0.0.1:1" }\npipelines: [FILES]\n'
  const both = [join(odd, 'p.yaml'), join(odd, 'q [2].yaml')]
  for (const [pattern, found] of [
    ['"*.yaml"', both],
    ['"[pq]*.yaml"', both],
    ['"q [2].yaml"', both.slice(1)],
  ] as const) {
    writeFileSync(join(odd, 'edge.yml'), edge.replace('FILES', pattern))
    expect(filesOf(join(odd, 'edge.yml'), [pattern.slice(1, -1)]).slice(1)).toEqual(found)
    if (found.length === 1) expect(loadEdge(join(odd, 'edge.yml')).pipelines.map(({ file }) => file)).toEqual(found)
  }
  writeFileSync(join(odd, 'edge.yml'), edge.replace('FILES', '"p*.yaml"'))
  expect(loadEdge(join(odd, 'edge.yml')).pipelines.map(({ file }) => file)).toEqual(both.slice(0, 1))
})
