import { type Finding, ok, warning } from '../finding.ts'

const NODE_MAJOR = 24

export function checkVersions(version: string, node: string): Finding[] {
  const major = Number(node.replace(/^v/, '').split('.')[0])
  return [
    major >= NODE_MAJOR
      ? ok('version', `Headrace ${version} on Node ${node}`)
      : warning(
          'version',
          `Headrace ${version} on Node ${node}`,
          `Start it with npm run or npx, which bring Node ${NODE_MAJOR}.`,
        ),
  ]
}
