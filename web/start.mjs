// Shows how far the program has come, and says so in plain words where it cannot be had.
export default function () {
  return {
    onStart() {},
    onProgress({ current, total }) {
      if (total) ferkdCover.progress(current / total);
    },
    onComplete() { performance.mark("ferkd-program"); },
    onSuccess() {},
    onFailure(error) {
      ferkdCover.fail("The program could not be loaded", String(error), "Try again");
    },
  };
}
