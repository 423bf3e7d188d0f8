/* Multiple choice: every form that is read, hostile ones refused; scores against whole sequences run one by one; right
 * answers against llama-perplexity --multiple-choice (llama.cpp 0c1e570) on the embedded model. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/task.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

static char folder[] = "/tmp/whichquant-task-XXXXXX";

static const char *file(const char *name, const void *text, size_t n)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_write(path, text, n, NULL), 0);
    return path;
}

static struct task_set *read_text(const char *name, const char *text)
{
    struct task_set *t;
    struct err e = {0};
    if (task_read(&t, file(name, text, strlen(text)), &e) < 0)
        fail_msg("%s", e.text);
    return t;
}

static void expect(const struct task_item *t, const char *context, const char *first, int n, int answer)
{
    assert_string_equal(t->context, context);
    assert_string_equal(t->choice[0], first);
    assert_int_equal(t->n_choices, n);
    assert_int_equal(t->answer, answer);
}

static void forms_are_read(void **state)
{
    (void)state;
    struct task_set *t = read_text("a.jsonl", "{\"question\":\"Why?\",\"choices\":{\"text\":[\"x\",\"y\",\"z\"],"
                                              "\"label\":[\"1\",\"2\",\"3\"]},\"answerKey\":\"3\"}\n\n");
    assert_string_equal(t->form, "arc");
    expect(&t->item[0], "Question: Why?\nAnswer:", "x", 3, 2);
    task_free(t);
    file("p-labels.lst", "1\n0\n", 4);
    t = read_text("p.jsonl",
                  "{\"goal\":\"g\",\"sol1\":\"s\",\"sol2\":\"t\"}\n{\"goal\":\"h\",\"sol1\":\"u\",\"sol2\":\"v\"}");
    assert_int_equal(t->n, 2);
    expect(&t->item[0], "Question: g\nAnswer:", "s", 2, 1);
    expect(&t->item[1], "Question: h\nAnswer:", "u", 2, 0);
    task_free(t);
    t = read_text("h.jsonl", "{\"activity_label\":\"Run\",\"ctx\":\"He\",\"endings\":[\"a\",\"b\"],\"label\":\"1\"}");
    expect(&t->item[0], "Run: He", "a", 2, 1);
    task_free(t);
    t = read_text("w.jsonl",
                  "{\"sentence\":\"The _ is big.\",\"option1\":\"cat\",\"option2\":\"dog\",\"answer\":\"2\"}");
    expect(&t->item[0], "The ", "cat", 2, 1);
    assert_string_equal(t->item[0].tail, " is big.");
    task_free(t);
    t = read_text("w.csv", "index,sentence,choice1,choice2,answer\n0,\"So, the \"\"_\"\" ran.\",cat,dog,1\n");
    expect(&t->item[0], "So, the \"", "cat", 2, 0);
    assert_string_equal(t->item[0].tail, "\" ran.");
    task_free(t);
    t = read_text("o.tsv", "ID\tQ\tC\tF\tA\n1\tWho\t(A) one (B) two or (C)three\tx\tC\n");
    expect(&t->item[0], "Who", "one", 3, 2);
    assert_string_equal(t->item[0].choice[1], "two or");
    task_free(t);
    t = read_text("h.txt", "ctx one\n2\na\nb\nc\nd\nctx two\r\n0\ne\nf\ng\nh");
    assert_int_equal(t->n, 2);
    expect(&t->item[1], "ctx two", "e", 4, 0);
    task_free(t);
    static const char bin[] = "\1\0\0\0\0\0\0\0"
                              "\2\0\0\0Q?\2\0\0\0\1\0\0\0a\1\0\0\0b\0\0\0\0\1\0\0\0\0\0\0\0";
    struct err e = {0};
    assert_int_equal(task_read(&t, file("m.bin", bin, sizeof bin - 1), &e), 0);
    expect(&t->item[0], "Q?", "a", 2, 1);
    task_free(t);
    for (size_t n = 0; n + 5 < sizeof bin; n++) /* the labels of the second list are not read */
        assert_true(task_read(&t, file("m.bin", bin, n), &e) < 0);
}

static void bad_files_are_refused(void **state)
{
    static const struct {
        const char *name, *text, *says;
    } bad[] = {{"x.jsonl", "{\"question\":", "x.jsonl"},
               {"x.jsonl", "{\"a\":1}", "no known form"},
               {"x.jsonl", "{\"question\":\"q\",\"choices\":{\"text\":[\"x\"],\"label\":[\"A\"]},\"answerKey\":\"A\"}",
                "2 to 100"},
               {"x.jsonl",
                "{\"question\":\"q\",\"choices\":{\"text\":[\"x\",\"\"],\"label\":[\"A\",\"B\"]},\"answerKey\":\"A\"}",
                "empty"},
               {"x.jsonl",
                "{\"question\":\"q\",\"choices\":{\"text\":[\"x\",\"y\"],\"label\":[\"A\",\"B\"]},\"answerKey\":\"E\"}",
                "none of the choices"},
               {"x.jsonl", "", "no tasks"},
               {"x.txt", "ctx\n7\na\nb\nc\nd\n", "none of the choices"},
               {"x.txt", "ctx\n1\na\nb\n", "empty"},
               {"x.csv", "0,no gap,a,b,1\n", "gap"},
               {"x.tsv", "ID\n1\tq\t(A) one\tx\tA\n", "2 to 100"},
               {"x.doc", "", ".jsonl"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct task_set *t;
        struct err e = {0};
        assert_true(task_read(&t, file(bad[i].name, bad[i].text, strlen(bad[i].text)), &e) < 0);
        assert_null(t);
        if (!strstr(e.text, bad[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].name, e.text, bad[i].says);
    }
}

/* Mean log-probability of tokens [from, to), every sequence run whole. */
static double whole(struct engine *g, const int32_t *ids, size_t from, size_t to, struct err *e)
{
    int n_vocab = engine_model(g)->n_vocab;
    float *logits = mem_alloc_n(to * (size_t)n_vocab, sizeof *logits);
    double sum = 0;
    engine_reset(g);
    assert_int_equal(engine_forward(g, ids, (int)to, e), 0);
    assert_int_equal(engine_logits(g, 0, (int)to, logits, e), 0);
    for (size_t i = from; i < to; i++) {
        const float *l = logits + (i - 1) * (size_t)n_vocab;
        double z = 0;
        for (int j = 0; j < n_vocab; j++)
            z += exp((double)l[j]);
        sum += (double)l[ids[i]] - log(z);
    }
    mem_free(logits);
    return sum / (double)(to - from);
}

static void scores_are_those_of_whole_sequences(void **state)
{
    static const char *const choices[] = {"park with her mother", "park", "garden"};
    struct task_item t = {.context = "Lily went to the", .choice = (const char *[3]){0}, .n_choices = 3};
    struct err e = {0};
    double score[3];
    (void)state;
    if (!test_data_there("models/stories260K-F32.gguf"))
        skip();
    struct engine_opts o = fixture_opts(128, 128, NULL);
    struct fixture f = fixture_open(test_data("models/stories260K-F32.gguf"), false, &o);
    memcpy(t.choice, choices, sizeof choices);
    int best = task_answer(f.engine, f.model->vocab, &t, score, &e);
    int32_t *ids[3];
    size_t n[3], prefix = 0;
    for (int i = 0; i < 3; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s %s", t.context, choices[i]);
        assert_int_equal(vocab_encode(f.model->vocab, text, strlen(text), true, false, &ids[i], &n[i], &e), 0);
    }
    while (prefix + 1 < n[0] && prefix + 1 < n[1] && prefix + 1 < n[2] && ids[0][prefix] == ids[1][prefix] &&
           ids[0][prefix] == ids[2][prefix])
        prefix++;
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(score[i] - whole(f.engine, ids[i], prefix, n[i], &e)) < 1e-4);
        assert_true(score[i] <= score[best]);
        mem_free(ids[i]);
    }
    o.n_ctx = o.n_batch = 4;
    t.choice[0] = "a choice that is far too long for so small a context as this one";
    struct engine *g;
    assert_int_equal(engine_new(&g, f.weights, &o, &e), 0);
    assert_int_equal(task_answer(g, f.model->vocab, &t, score, &e), ERR_LIMIT);
    engine_free(g);
    fixture_close(&f);
}

/* Which of the first 60 questions of ARC llama-perplexity has right with the embedded model. */
static void right_where_llama_perplexity_is(void **state)
{
    static const char theirs[] = "000100000000000000000100011000011001000100100000100000000000";
    struct task_set *t;
    struct err e = {0};
    (void)state;
    if (!test_data_there("text/ARC-Challenge-test.jsonl"))
        skip();
    struct engine_opts o = fixture_opts(512, 512, NULL);
    struct fixture f = fixture_open(SOURCE_ROOT "/datasets/models/default.gguf", false, &o);
    assert_int_equal(task_read(&t, test_data("text/ARC-Challenge-test.jsonl"), &e), 0);
    assert_int_equal(t->n, 1172);
    for (int i = 0; theirs[i]; i++) {
        double score[TASK_MOST_CHOICES];
        int best = task_answer(f.engine, f.model->vocab, &t->item[i], score, &e);
        if ((best == t->item[i].answer) != (theirs[i] == '1'))
            fail_msg("question %d: choice %d, right is %d, llama-perplexity %s", i + 1, best, t->item[i].answer,
                     theirs[i] == '1' ? "is right" : "is wrong");
    }
    task_free(t);
    fixture_close(&f);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"a.jsonl", "p-labels.lst", "p.jsonl", "h.jsonl", "w.jsonl", "w.csv", "o.tsv",
                                        "h.txt",   "m.bin",        "x.jsonl", "x.txt",   "x.csv",   "x.tsv", "x.doc"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_read),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(scores_are_those_of_whole_sequences),
        cmocka_unit_test(right_where_llama_perplexity_is),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
