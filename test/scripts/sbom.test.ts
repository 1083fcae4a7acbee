import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { billOf, type LockFile } from '../../scripts/sbom/bill.ts'

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile
const bill = billOf(lock)

test('the bill names every package of the lock file, with licence and hash', () => {
  const listed = new Set(bill.components.map(({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`))
  for (const [path, { name, version }] of Object.entries(lock.packages)) {
    if (path !== '') expect(listed).toContain(`${name ?? path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`)
  }
  expect(bill.components.filter(({ licenses }) => licenses.length === 0).map(({ name }) => name)).toEqual([])
  for (const component of bill.components) expect(component.hashes?.[0]?.content, component.purl).toMatch(/^[0-9a-f]{128}$/)
})

test('what is needed to run is told from what is needed to build', () => {
  const scopes = Object.fromEntries(bill.components.map(({ name, scope }) => [name, scope]))
  expect(scopes).toMatchObject({ rhea: 'required', kafkajs: 'required', vitest: 'excluded', typescript: 'excluded' })
})

test('every dependency is a component, and every component is reached', () => {
  const refs = new Set(bill.components.map(component => component['bom-ref']))
  const reached = new Set<string>()
  const of = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
  const walk = (ref: string) => {
    for (const next of of.get(ref) ?? []) {
      expect(refs).toContain(next)
      if (!reached.has(next)) {
        reached.add(next)
        walk(next)
      }
    }
  }
  walk(bill.metadata.component['bom-ref'])
  expect(of.get('pkg:npm/rhea@3.0.5')).toContain(`pkg:npm/debug@${lock.packages['node_modules/debug']?.version}`)
  expect([...refs].filter(ref => !reached.has(ref))).toEqual([])
})
