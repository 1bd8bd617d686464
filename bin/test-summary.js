// Reads vitest's report and prints the closing lines: what was skipped and why, then the counts. Exits 1 when anything failed.
import { readFileSync } from 'node:fs';

const [reportPath = '', vitestCode = '1', ...failedChecks] = process.argv.slice(2);
const report = readReport(reportPath);
const tests = report.testResults.flatMap((file) => file.assertionResults);
const count = (...statuses) => tests.filter((test) => statuses.includes(test.status)).length;
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);

const passed = count('passed');
const skipped = count('skipped', 'pending', 'todo', 'disabled');
let failed = count('failed') + brokenFiles.length + failedChecks.length;
if (failed === 0 && vitestCode !== '0') failed = 1;

for (const test of tests.filter((test) => ['skipped', 'pending', 'todo', 'disabled'].includes(test.status)))
  console.log(`skipped: ${test.fullName}`);
for (const file of brokenFiles) console.log(`failed: ${file.name}: ${file.message}`);
for (const name of failedChecks) console.log(`failed: ${name}`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

/** @param {string} path */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { testResults: [] };
  }
}
