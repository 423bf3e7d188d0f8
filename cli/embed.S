/* The embedded default model and its evaluation text, as they lie in datasets/. */
    .section .rodata
    .balign 64
    .global default_model, default_model_end, default_text, default_text_end
default_model:
    .incbin "datasets/models/default.gguf"
default_model_end:
    .balign 64
default_text:
    .incbin "datasets/text/eval.txt"
default_text_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
